"""A copy with a network of its own is led to in the moment in which it listens there, while its engine still starts it."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from rollout.contract.engine import until
from rollout.contract.host_part import FENCE, NAME, SERVICE, V2
from rollout.errors import BrokenError
from rollout.host import apart
from rollout.host.joining import ALONE, PORT
from rollout.host.ledger import Held
from rollout.host.ports import InstanceFacts, InstanceSpec, Listener, Phase
from rollout.runtimes.engines.memory import MemoryEngine
from tests.host.host_rigs import MemoryRig, spec

HERE = "/run/netns/t1.0"
OWN = "[fd00::1:0:2]"


class Networks(MemoryEngine):
    """`there`: what is listened on in each namespace. A start takes as long as `meanwhile` does."""

    def __init__(self) -> None:
        super().__init__()
        self.there: dict[str, list[Listener]] = {}
        self.looked: list[str] = []
        self.prepared: list[InstanceSpec] = []
        self.started: list[InstanceSpec] = []
        self.meanwhile: Callable[[], object] = lambda: None

    def prepare(self, spec: InstanceSpec) -> None:
        self.prepared.append(spec)

    def start(self, spec: InstanceSpec) -> InstanceFacts:
        self.started.append(spec)
        self.meanwhile()
        return super().start(spec)

    def apart(self, network: str, pids: Sequence[int] = ()) -> Sequence[Listener] | None:
        self.looked.append(network)
        return [replace(one, pid=pids[0] if pids else 0) for one in self.there.get(network, [])]


class Rig(MemoryRig):
    def make_engine(self) -> None:
        super().make_engine()
        self.programs = self.networks = Networks()
        self.engine = self.watch = self.networks

    def v2(self) -> tuple[str, ...]:
        route = self.route()
        return route.v2 if route else ()


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    rig = Rig(tmp_path / "host")
    rig.desk.weigh(SERVICE, NAME, 100, FENCE)
    rig.desk.reserve(covered(rig), FENCE)
    rig.desk.join("t1.0", FENCE)
    rig.desk.attach("t1.0", PORT, "reserved", FENCE, listens=False)
    return rig


def covered(rig: Rig) -> InstanceSpec:
    return replace(rig.covered("t1"), runtime=V2)


def listens(rig: Rig, address: str = "::", port: int = PORT, *, loopback: bool = False) -> None:
    rig.networks.there[HERE] = [Listener(pid=0, address=address, port=port, loopback=loopback, network=7)]


def test_names_lead_to_what_is_expected_and_the_edge_does_not_yet(rig: Rig) -> None:
    assert rig.resolve(f"v2.{NAME}") == ("fd00::1:0:2", PORT)
    assert rig.v2() == ()


@pytest.mark.parametrize(("address", "place"), [("::", OWN), ("0.0.0.0", "100.64.0.2")])
def test_the_edge_leads_to_it_while_its_engine_still_starts_it(rig: Rig, address: str, place: str) -> None:
    def meanwhile() -> None:
        listens(rig, address)
        until(rig.v2)

    rig.networks.meanwhile = meanwhile
    rig.desk.start(covered(rig), FENCE)
    assert rig.v2() == (f"{place}:{PORT}",)


@pytest.mark.parametrize(("port", "loopback"), [(PORT, True), (9001, False)])
def test_what_listens_for_itself_or_elsewhere_is_left_to_who_waits_for_it(rig: Rig, port: int, *, loopback: bool) -> None:
    def meanwhile() -> None:
        listens(rig, port=port, loopback=loopback)
        seen = len(rig.networks.looked)
        until(lambda: len(rig.networks.looked) > seen + 1)

    rig.networks.meanwhile = meanwhile
    rig.desk.start(covered(rig), FENCE)
    assert rig.v2() == ()
    rig.desk.attach("t1.0", 9001, "found 9001", FENCE)
    assert rig.v2() == (f"{OWN}:9001",)


def test_one_without_traffic_gets_none(rig: Rig) -> None:
    rig.desk.attach("t1.0", PORT, "reserved", FENCE, traffic=False, listens=False)
    listens(rig)
    rig.networks.meanwhile = lambda: until(lambda: not rig.desk.ledger.record(SERVICE).held["t1.0"].expected)
    rig.desk.start(covered(rig), FENCE)
    assert rig.v2() == ()


def test_it_is_still_expected_by_a_host_part_that_comes_after(rig: Rig) -> None:
    rig.again()
    assert rig.v2() == ()
    listens(rig)
    rig.networks.meanwhile = lambda: until(rig.v2)
    rig.desk.start(covered(rig), FENCE)
    assert rig.v2() == (f"{OWN}:{PORT}",)


def test_nobody_looks_once_it_is_started(rig: Rig) -> None:
    rig.desk.start(covered(rig), FENCE)
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("expects")]


@pytest.mark.parametrize("held", [{"expected": False}, {"network": ""}, {"network": ALONE}])
def test_others_are_not_looked_at(held: dict[str, object]) -> None:
    network = str(held.get("network", HERE))
    other = Held(spec=replace(spec("t1"), network=network), expected=bool(held.get("expected", True)), port=PORT)
    watch = Networks()
    with apart.seen_to_listen(watch, other, lambda _: None):
        assert [thread for thread in threading.enumerate() if thread.name.startswith("expects")] == []
    assert watch.looked == []


def test_who_cannot_be_led_to_now_is_led_to_by_who_waits_for_it(rig: Rig) -> None:
    told = threading.Event()

    def fails(_: Held) -> None:
        told.set()
        raise BrokenError("no space left on device")

    listens(rig)
    held = rig.desk.ledger.record(SERVICE).held["t1.0"]
    with apart.seen_to_listen(rig.networks, held, fails):
        until(told.is_set)


def test_what_it_listens_on_is_told_without_looking_at_its_processes(rig: Rig) -> None:
    pid = rig.desk.start(covered(rig), FENCE).facts.pid
    assert pid is not None
    rig.networks.there[f"/proc/{pid}/ns/net"] = [Listener(pid=0, address="::", port=9001, network=7)]
    assert [(one.pid, one.port) for one in rig.desk.listeners("t1.0")] == [(pid, 9001)]


def test_what_can_be_made_before_is_made_when_it_joins_and_just_that_is_started(rig: Rig) -> None:
    assert rig.networks.started == []
    rig.desk.join("t1.0", FENCE)
    rig.desk.start(covered(rig), FENCE)
    assert len(rig.networks.prepared) == 2, "each join says so: the engine knows what stands"
    assert rig.networks.prepared == rig.networks.started * 2
    rig.desk.join("t1.0", FENCE)
    assert len(rig.networks.prepared) == 2, "not of one that runs"


def test_what_was_lost_is_not_made_before_somebody_has_heard_of_it(rig: Rig) -> None:
    """Its last words would go with it."""
    rig.desk.start(covered(rig), FENCE)
    rig.networks.stop("t1.0", 0)
    rig.desk.join("t1.0", FENCE)
    assert len(rig.networks.prepared) == 1


def test_one_that_was_stopped_is_made_anew(rig: Rig) -> None:
    rig.desk.start(covered(rig), FENCE)
    rig.desk.stop("t1.0", 0, FENCE)
    assert rig.networks.facts("t1.0") is None or rig.networks.facts("t1.0").phase is Phase.GONE  # type: ignore[union-attr]
    rig.desk.join("t1.0", FENCE)
    rig.desk.start(covered(rig), FENCE)
    assert rig.networks.prepared[-1] == rig.networks.started[-1]
    assert len(rig.networks.prepared) == 2
