"""The private network with many members on one host, beside a plain veth path without encryption. Root, on a quiet machine.

    python tests/bench/mesh.py --short | --long        (40 or 200 members; one JSON line)

`prepare_*`: from nothing to a namespace with an address and a tunnel that has shaken hands, one after another.
`peer_change_*`: one peer of the hub goes or comes among all, without anything else of it; `worst_gap_ms`: the longest that
another connection of the same environment, asking and answering the whole time, waited meanwhile.
`mesh_latency_ratio`, `mesh_throughput_ratio`: one byte there and back, and a stream, instance to instance over the hub, against
the same over a veth pair. `keep_ms`: one look at everything, with nothing to mend. Memory: resident, of the tunnels alone.
Where the kernel allows too few inotify instances, the limit is raised, said on stderr, and put back.
"""

import argparse
import json
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))


from rollout.network.mesh.mesh import Mesh
from tests.network.mesh.mesh_rigs import closing, connect, echo, instance, processes, says
from tests.network.mesh.two_hosts import FAR, underlay

SHORT, LONG = 40, 200
TRIPS, STREAM = 1000, 64 << 20
CHANGES = 200
INOTIFY, INOTIFY_WANTED = Path("/proc/sys/fs/inotify/max_user_instances"), 1024


def ms(act: Callable[[], object]) -> float:
    begin = time.perf_counter()
    act()
    return (time.perf_counter() - begin) * 1e3


def p99(values: list[float]) -> float:
    return sorted(values)[int(len(values) * 0.99)]


@contextmanager
def enough_inotify() -> Iterator[None]:
    before = INOTIFY.read_text()
    if int(before) < INOTIFY_WANTED:
        print(f"{INOTIFY}: {before.strip()} raised to {INOTIFY_WANTED} for this run", file=sys.stderr)
        INOTIFY.write_text(str(INOTIFY_WANTED))
    try:
        yield
    finally:
        INOTIFY.write_text(before)


def path_figures(client: str, server: str, address: str) -> tuple[float, float]:
    """Milliseconds of a round trip of one byte (median), and MB/s there and back of a stream."""
    with echo(server, "::"), connect(client, address) as line:
        trips = [ms(lambda: says(line, b"x")) for _ in range(TRIPS)]
        sender = threading.Thread(target=line.sendall, args=(bytes(STREAM),))
        begin, heard = time.perf_counter(), 0
        sender.start()
        while heard < STREAM:
            heard += len(line.recv(1 << 20))
        sender.join()
        return statistics.median(trips), STREAM / (time.perf_counter() - begin) / 1e6


def changes(mesh: Mesh, client: str, server: str, address: str) -> dict[str, float]:
    """One peer goes and comes, again and again, while two others talk."""
    record = mesh._state.members.all()["i2.0"]
    took: list[float] = []
    gaps: list[float] = []
    done = threading.Event()

    def talk() -> None:
        with connect(client, address) as line:
            while not done.is_set():
                gaps.append(ms(lambda: says(line, b"x")))

    with echo(server, "::"):
        talker = threading.Thread(target=talk)
        talker.start()
        for _ in range(CHANGES // 2):
            took.append(ms(lambda: mesh._hubs.dismiss(record)))
            took.append(ms(lambda: mesh._hubs.admit(record)))
        done.set()
        talker.join()
    return {"peer_change_p50_ms": statistics.median(took), "peer_change_p99_ms": p99(took), "worst_gap_ms": max(gaps)}


def resident_mb(mesh: Mesh) -> list[float]:
    texts = [Path(f"/proc/{pid}/status").read_text() for pid in processes(mesh.mark).values()]
    return [int(text.split("VmRSS:")[1].split()[0]) / 1024 for text in texts]


def measure(mesh: Mesh, members: int) -> dict[str, float]:
    took = [ms(lambda number=number: mesh.prepare(instance(f"i{number}"))) for number in range(members)]
    at_rest = resident_mb(mesh)
    wanted = set(mesh._state.members.all())
    one, other = mesh.prepare(instance("i0")), mesh.prepare(instance("i1"))
    ours = path_figures(one.namespace, other.namespace, other.address)
    with underlay(mesh, "plain") as (client, server):
        plain = path_figures(client, server, FAR)
    return {
        "members": members,
        "prepare_p50_ms": statistics.median(took),
        "prepare_p99_ms": p99(took),
        **changes(mesh, one.namespace, other.namespace, other.address),
        "keep_ms": min(ms(lambda: mesh.keep(wanted)) for _ in range(5)),
        "leave_ms": statistics.median(ms(lambda number=number: mesh.leave(f"i{number}.0")) for number in range(2, 12)),
        "mesh_latency_ms": ours[0],
        "mesh_latency_ratio": ours[0] / plain[0],
        "mesh_throughput_mb_s": ours[1],
        "mesh_throughput_ratio": ours[1] / plain[1],
        "memory_per_instance_mb": statistics.mean(at_rest),
        "memory_after_load_max_mb": max(resident_mb(mesh)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    size = parser.add_mutually_exclusive_group(required=True)
    size.add_argument("--short", dest="members", action="store_const", const=SHORT)
    size.add_argument("--long", dest="members", action="store_const", const=LONG)
    members = parser.parse_args().members
    with enough_inotify(), tempfile.TemporaryDirectory() as folder, closing(Path(folder)) as mesh:
        print(json.dumps({key: round(value, 3) for key, value in measure(mesh, members).items()}))


if __name__ == "__main__":
    main()
