"""Switching under load: no request fails, none goes to the side that has no weight."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Event

from rollout.contract.edge_rig import HttpCopy, RunningEdge, wait_for
from rollout.host.ports import Route

MakeCopy = Callable[[str], HttpCopy]


def test_no_request_is_lost_while_the_sides_are_switched(plain: RunningEdge, copies: MakeCopy, name: str) -> None:
    """Each round brings new copies; the old ones are drained to zero in flight, then ended."""
    stop = Event()
    sent: list[Counter[int]] = []

    def load(method: str) -> Counter[int]:
        found: Counter[int] = Counter()
        sent.append(found)
        with plain.client(name) as client:
            while not stop.is_set():
                found[client.request(method, "/", content=b"x" * 2000).status_code] += 1
        return found

    old = copies("0")
    plain.edge.write(Route(host_name=name, legacy=(old.address,), v2=(), weight=0))
    with ThreadPoolExecutor(3) as pool:
        clients = [pool.submit(load, method) for method in ("GET", "POST", "PUT")]
        try:
            for number in range(1, 31):
                new = copies(str(number))
                seen = sum(found.total() for found in list(sent))
                for weight in (10, 100):
                    plain.edge.write(Route(host_name=name, legacy=(old.address,), v2=(new.address,), weight=weight))
                wait_for(lambda copy=new: len(copy.seen) > 0, "the new copy is asked")
                plain.edge.write(Route(host_name=name, legacy=(new.address,), v2=(), weight=0))
                wait_for(lambda copy=old: plain.edge.in_flight([copy.address]) == 0, "the old copy is drained")
                old.end()
                wait_for(lambda before=seen: sum(f.total() for f in list(sent)) > before + 10, "requests after the switch")
                old = new
        finally:
            stop.set()
        found = sum((client.result() for client in clients), Counter())
    assert set(found) == {200}, found
    assert found.total() > 300


def test_after_a_write_returns_not_one_new_request_goes_to_the_old_side(plain: RunningEdge, copies: MakeCopy, name: str) -> None:
    a, b = copies("a"), copies("b")
    with plain.client(name) as client:
        for number in range(100):
            only = (a, b)[number % 2]
            plain.edge.write(Route(host_name=name, legacy=(a.address,), v2=(b.address,), weight=100 * (number % 2)))
            assert client.get("/").text == only.name
