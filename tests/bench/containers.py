"""Both runtimes on containers, side by side in one run: a dockerd and a Podman of its own (overlay), the host part as a process,
the real private network, the real edge. Root, on a quiet machine with two cores.

    python tests/bench/containers.py --short | --long [--only PART,PART]
                                              (20 services and an image of 50 MB, or 200 and 500 MB; one JSON line)

Parts, all of them unless some are named: `rest` (the fleet at rest: memory, detector), `ports`, `launches`, `publish`, `mesh`.
`rest`, `ports` and `launches` look at the whole fleet; without them there is none.

Legacy runs on Docker, v2 on Podman. Half of the services stand on each, all in one environment; then further launches of each
runtime are watched while all others stand (`launches.py`: a neighbour in the private network and a client of the edge look every
3 ms; what is measured is thus up to that too late). Medians, unless a key says p99: of few samples that is the worst.

- `*_discoverable_ms`: first instruction of the workload (it writes the time itself) until both its own name (as
  `v2.api.shop.internal`) resolves for a neighbour and its own network answers that neighbour. Negative: before the first
  instruction. Looking began before the launch.
- `*_routed_p99_ms`: the moment before the workload's listening program takes its place until the edge has answered by it.
- `*_launch_p50_ms`: asking for the launch (image warm, published) until the edge has answered. `own_overhead_p50_ms`: of v2,
  until HTTP is answered at its own address, less the floor: Podman's create and start of the same body by its API, in a network
  namespace that stands, until it answers there. By turns; each is asked by one neighbour alone, every 3 ms. What publishing has
  prepared of v2's copy (network, container) is not in it.
- `ports_right_ratio`: of workloads that listen on PORT, elsewhere, on IPv6 or IPv4 only, late, from a fork, on several ports, or
  change it (1 s allowed), the share where v2 leads to the right port; one on loopback only is right if it is refused.
- `detector_cpu_ratio`: processor time of the whole host part over 10 s in which nothing happens, of one core: an upper bound.
- `memory_per_instance_mb`: what all processes of ours (PSS) have grown by since before the fleet, a tunnel each included;
  `engine_memory_per_instance_mb`: what the engines' have, workloads not counted. `own_memory_mb`: ours before the fleet.
- `publish_delta_ratio`, `publish_registry_ratio`: the same image again, one small layer changed: legacy's time over v2's, from a
  layout and from a registry. `unchanged_ms`: v2 is told to publish what it has.
- `mesh_*`, `peer_change_*`, `worst_gap_ms`: `mesh.py`, with as many members, against a plain veth path.
"""

import os
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from rollout.errors import BrokenError
from rollout.model.fleet import RuntimeName
from rollout.network.mesh.marks import mark_of
from rollout.network.mesh.mesh import Mesh
from rollout.runtimes.engines.podman import Podman
from rollout.runtimes.specs import instances
from tests.bench import mesh as network
from tests.bench.launches import AT_ONCE, LIMIT_S, PAUSE_S, PORT, Launch, Stage, asks, stage, until_answered
from tests.bench.published import published
from tests.bench.rigs import arguments, report
from tests.network.mesh.mesh_rigs import closing
from tests.network.mesh.two_hosts import FAR, underlay
from tests.runtimes.engines.real_engines import RealEngine, docker, podman

PARTS = ("rest", "ports", "launches", "publish", "mesh")
SHORT, LONG = 20, 200
WATCHED = {SHORT: 10, LONG: 25}
COMPARED = {SHORT: 7, LONG: 15}
IMAGE_BYTES = {SHORT: 50 << 20, LONG: 500 << 20}
REST_S = 10.0
FOLLOWED_S = 1.0
SERVES = "exec httpd -f -p"
LISTENING = {
    "given": (f"{SERVES} $PORT", PORT),
    "other": (f"{SERVES} 9001", 9001),
    "six": (f"{SERVES} [::]:9002", 9002),
    "four": (f"{SERVES} 0.0.0.0:9003", 9003),
    "loopback": (f"{SERVES} 127.0.0.1:9004", 0),
    "late": (f"sleep 5; {SERVES} 9005", 9005),
    "forks": ("httpd -p 9006; exec sleep 600", 9006),
    "several": (f"httpd -p 9007; {SERVES} $PORT", PORT),
}
CHANGES = "httpd -f -p 9008 & a=$!; sleep 3; kill $a; exec httpd -f -p 9009"


def fleet(made: Stage, count: int) -> None:
    """Half on each runtime."""
    sides = list(RuntimeName)
    orders = [made.order(f"s{number}", sides[number % 2]) for number in range(count)]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(made.bring, orders))


def launches(made: Stage, runtime: RuntimeName, count: int) -> list[Launch]:
    """One after the other, each gone before the next."""
    found = []
    for number in range(count):
        order = made.order(f"w{number}-{runtime}", runtime)
        found.append(made.watched(order))
        made.drop(order)
    return found


def overhead(made: Stage, engine: RealEngine, mesh: Mesh, count: int) -> tuple[list[float], list[float]]:
    """Milliseconds of v2 and of Podman alone, by turns, from the request until HTTP is answered."""
    took: tuple[list[float], list[float]] = [], []
    with underlay(mesh, "plain") as (here, there), engine.client() as client:
        for number in range(count):
            order = made.order(f"o{number}", RuntimeName.V2)
            runtime, own = made.runtimes[order.runtime], made.published(order).own[0]
            took[0].append(until_answered(made.neighbour, own, lambda runtime=runtime, order=order: runtime.launch(order)))
            made.drop(order)
            spec = replace(instances(order)[0], network=there, env={"PORT": str(PORT)})
            name = f"bare{number}"
            body = dict(Podman().body(spec, name, {}))

            def launch(name: str = name, body: object = body) -> None:
                assert client.post(f"{engine.prefix}/containers/create", json=body).is_success
                assert client.post(f"{engine.prefix}/containers/{name}/start").is_success

            took[1].append(until_answered(here, FAR, launch))
            engine.remove(name)
    return took


def ports_right(made: Stage) -> float:
    """The share of workloads that v2 leads to as it should."""
    right = [_changed(made)]
    for name, (script, port) in LISTENING.items():
        order = made.order(f"p-{name}", RuntimeName.V2, script)
        try:
            made.bring(order)
            right.append(bool(port) and made.instance(order).address.endswith(f":{port}"))
        except BrokenError:
            right.append(not port)
        made.drop(order)
    return sum(right) / len(right)


def _changed(made: Stage) -> bool:
    order = made.order("p-changes", RuntimeName.V2, CHANGES)
    made.bring(order)
    before = made.instance(order)
    limit = time.monotonic() + LIMIT_S
    while not asks(made.neighbour, before.own[0], 9009):
        assert time.monotonic() < limit, "it did not listen on its second port"
        time.sleep(PAUSE_S)
    limit, right = time.monotonic() + FOLLOWED_S, False
    while not right and time.monotonic() < limit:
        right = made.instance(order).address.endswith(":9009")
        time.sleep(PAUSE_S)
    made.drop(order)
    return before.address.endswith(":9008") and right


def processor_s(pid: int) -> float:
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def resting(made: Stage) -> float:
    """Of one core."""
    pid = int(made.client.hello()["pid"])
    before, begin = processor_s(pid), time.monotonic()
    time.sleep(REST_S)
    return (processor_s(pid) - before) / (time.monotonic() - begin)


def memory_mb(ours: Callable[[bytes, bytes], bool]) -> float:
    """PSS of all processes whose command line and environment say that they are meant."""
    return sum(_pss_mb(folder) for folder in Path("/proc").glob("[0-9]*") if _meant(folder, ours))


def _meant(folder: Path, ours: Callable[[bytes, bytes], bool]) -> bool:
    try:
        return ours((folder / "cmdline").read_bytes(), (folder / "environ").read_bytes())
    except OSError:
        return False


def _pss_mb(folder: Path) -> float:
    try:
        return int((folder / "smaps_rollup").read_text().split("\nPss:")[1].split()[0]) / 1024
    except OSError:
        return 0.0


def own_mb(made: Stage) -> float:
    home, links = str(made.home.path).encode(), mark_of(made.home.path / "host/mesh").links.encode()
    return memory_mb(lambda argv, env: b"ROLLOUT_HOME=" + home in env or home in argv or b"\0" + links in argv)


def engines_mb(*engines: RealEngine) -> float:
    folders = [str(engine.socket.parent).encode() for engine in engines]
    return memory_mb(lambda argv, _: any(folder in argv for folder in folders))


def sides(watched: dict[RuntimeName, list[Launch]]) -> Iterator[tuple[str, float]]:
    for runtime, found in watched.items():
        yield f"{runtime}_discoverable_ms", statistics.median(one.discoverable_ms for one in found)
        yield f"{runtime}_discoverable_worst_ms", max(one.discoverable_ms for one in found)
        yield f"{runtime}_routed_p50_ms", statistics.median(one.routed_ms for one in found)
        yield f"{runtime}_routed_p99_ms", network.p99([one.routed_ms for one in found])
        yield f"{runtime}_launch_p50_ms", statistics.median(one.launch_ms for one in found)


def measure(count: int, parts: Collection[str]) -> dict[str, float]:
    figures: dict[str, float] = {}
    with ExitStack() as stack:
        stack.enter_context(network.enough_inotify())
        mesh = stack.enter_context(closing(Path(stack.enter_context(tempfile.TemporaryDirectory()))))
        if set(parts) - {"mesh"}:
            figures |= on_engines(count, parts, mesh)
        if "mesh" in parts:
            say("the private network alone")
            private = network.measure(mesh, count)
            figures |= {key: private[key] for key in KEPT_OF_MESH}
    return {"services": count, **{key: round(value, 3) for key, value in figures.items()}}


def on_engines(count: int, parts: Collection[str], mesh: Mesh) -> dict[str, float]:
    """Each part's figures are said as soon as they are known: taking down hundreds of containers takes its time."""
    figures: dict[str, float] = {}
    with docker("overlay2") as one, podman("overlay") as other, stage(one, other) as made:
        before = own_mb(made), engines_mb(one, other)
        if {"rest", "ports", "launches"} & set(parts):
            say(f"{count} services are launched")
            fleet(made, count)
        measures: dict[str, Callable[[], dict[str, float]]] = {
            "rest": lambda: {
                "detector_cpu_ratio": resting(made),
                "memory_per_instance_mb": (own_mb(made) - before[0]) / count,
                "engine_memory_per_instance_mb": (engines_mb(one, other) - before[1]) / count,
                "own_memory_mb": before[0],
            },
            "ports": lambda: {"ports_right_ratio": ports_right(made)},
            "launches": lambda: launched(made, other, mesh, count),
            "publish": lambda: published(made.client, IMAGE_BYTES[count]),
        }
        for part, measure_it in measures.items():
            if part in parts:
                say(f"{part} is measured")
                figures |= (found := measure_it())
                say(f"{part}: {found}")
    return figures


def launched(made: Stage, engine: RealEngine, mesh: Mesh, count: int) -> dict[str, float]:
    watched = {}
    for runtime in RuntimeName:
        watched[runtime] = launches(made, runtime, WATCHED[count])
        trace(runtime, watched[runtime])
    ours, bare = map(statistics.median, overhead(made, engine, mesh, COMPARED[count]))
    compared = {"engine_answers_p50_ms": bare, "v2_answers_p50_ms": ours, "own_overhead_p50_ms": ours - bare}
    return {**dict(sides(watched)), **compared}


KEPT_OF_MESH = (
    "mesh_latency_ms",
    "mesh_latency_ratio",
    "mesh_throughput_mb_s",
    "mesh_throughput_ratio",
    "peer_change_p50_ms",
    "peer_change_p99_ms",
    "worst_gap_ms",
)


def say(what: str) -> None:
    print(f"{time.strftime('%X')} {what}", file=sys.stderr)


def trace(runtime: RuntimeName, found: list[Launch]) -> None:
    """On stderr: where the time of each launch went, in ms since its first instruction."""
    for one in found:
        times = {key: round((at - one.instruction) * 1e3) for key, at in asdict(one).items()}
        print(runtime, times, file=sys.stderr)


def main() -> None:
    began = time.perf_counter()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # what was started is ended then too
    asked = arguments(__doc__ or "", PARTS)
    report("containers", measure(LONG if asked.long else SHORT, asked.only), began)


if __name__ == "__main__":
    main()
