"""The private network from the desk's side, in memory: who joins when, and that it is so again whenever it is started again."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from rollout.contract.host_part import FENCE, LEGACY, NAME, SERVICE
from rollout.errors import BrokenError, RoomsRefusedError, TransientError
from rollout.host.joining import PORT
from rollout.host.network import Member
from rollout.host.ports import InstanceFacts, InstanceSpec, Listener, Phase
from rollout.host.rooms import Room
from rollout.model.fleet import RuntimeName
from rollout.runtimes.engines.memory import MemoryEngine
from tests.host.host_rigs import MemoryRig


class Written(MemoryEngine):
    """Writes down with what its programs were started; `where`: the addresses that they listen on."""

    def __init__(self, happened: list[str]) -> None:
        super().__init__()
        self.happened = happened
        self.env: dict[str, str] = {}
        self.where = "::"

    def start(self, spec: InstanceSpec) -> InstanceFacts:
        self.happened.append(f"start in {spec.network} by {spec.dns[0]}")
        self.env = dict(spec.env)
        return super().start(spec)

    def listeners(self, pids: Sequence[int]) -> Sequence[Listener]:
        return [Listener(pid=one.pid, address=self.where, port=one.port) for one in super().listeners(pids)]


class Rig(MemoryRig):
    def make_engine(self) -> None:
        super().make_engine()
        self.happened: list[str] = []
        self.programs = self.written = Written(self.happened)
        self.engine = self.watch = self.programs
        prepare, patch, leave = self.network.prepare, self.network.patch, self.network.leave

        def prepared(spec: InstanceSpec) -> Member:
            self.happened.append("prepare")
            return prepare(spec)

        def patched(spec: InstanceSpec, pid: int) -> Member:
            self.happened.append("patch")
            return patch(spec, pid)

        def left(instance: str) -> None:
            self.happened.append("leave")
            leave(instance)

        self.network.prepare, self.network.patch, self.network.leave = prepared, patched, left  # type: ignore[method-assign]

    def fresh(self) -> list[str]:
        """What has happened since the last call."""
        found = self.happened.copy()
        self.happened.clear()
        return found


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path / "host")


def before(rig: Rig) -> None:
    rig.desk.reserve(rig.covered("t1"), FENCE)
    rig.desk.join("t1.0", FENCE)
    rig.desk.start(rig.covered("t1"), FENCE)


def after(rig: Rig) -> None:
    rig.desk.start(rig.covered("t1"), FENCE)
    rig.desk.join("t1.0", FENCE)


BEFORE = ["prepare", "start in /run/netns/t1.0 by fd00::53"]
AFTER = ["start in none by fd00::53", "patch"]


@pytest.mark.parametrize(("join", "order"), [(before, ["prepare", *BEFORE]), (after, AFTER)])
def test_what_is_started_again_joins_as_it_did_before(rig: Rig, join: object, order: list[str]) -> None:
    """Lost, ended by `down`, and after a start of the host; by another host part than the one that it joined through."""
    assert callable(join)
    join(rig)
    assert rig.fresh() == order
    rig.programs.lose("t1.0")
    rig.desk.look()
    assert rig.fresh() == order[-2:]
    rig.desk.end_all()
    assert rig.network.closed
    rig.boot = "boot-2"
    rig.again()
    assert rig.desk.bring_back() == ["t1.0"]
    assert rig.fresh() == order[-2:]


def test_who_was_started_again_by_its_engine_is_patched_in_again_and_nobody_else(rig: Rig) -> None:
    """An engine gives it a new namespace, which has nothing of ours in it."""
    after(rig)
    rig.fresh()
    rig.desk.keep_network()
    assert rig.fresh() == []
    rig.programs.lose("t1.0")
    rig.programs.start(rig.desk.ledger.record(SERVICE).held["t1.0"].spec)
    rig.fresh()
    rig.desk.keep_network()
    rig.desk.keep_network()
    assert rig.fresh() == ["patch"]


def test_upkeep_tells_the_network_who_belongs_into_it(rig: Rig) -> None:
    before(rig)
    rig.network.members["old.0"] = rig.network.members["t1.0"]
    rig.desk.keep_network()
    assert set(rig.network.members) == {"t1.0"}


def test_its_environment_says_what_is_true_inside(rig: Rig) -> None:
    before(rig)
    assert (rig.written.env["HOST"], rig.written.env["PORT"]) == ("::", str(PORT))
    assert rig.written.env["ROLLOUT_DNS"] == "[fd00::53]:53"
    assert "ROLLOUT_EDGE" not in rig.written.env


@pytest.mark.parametrize(
    ("where", "address"),
    [("::", "[fd00::1:0:2]:8080"), ("0.0.0.0", "100.64.0.2:8080"), ("::ffff:0.0.0.0", "100.64.0.2:8080")],
)
def test_one_that_listens_on_ipv4_alone_is_reached_so(rig: Rig, where: str, address: str) -> None:
    before(rig)
    rig.written.where = where
    rig.desk.attach("t1.0", PORT, "", FENCE)
    rig.desk.weigh(SERVICE, NAME, 0, FENCE)
    route = rig.route()
    assert route is not None
    assert (route.legacy, route.address) == ((address,), "fd00::5:0:0:1")
    assert rig.resolve(f"legacy.{NAME}") == (address.rpartition(":")[0].strip("[]"), PORT)


def test_following_a_port_finds_how_it_is_reached_there(rig: Rig) -> None:
    before(rig)
    rig.desk.attach("t1.0", PORT, "", FENCE)
    rig.desk.follow("t1.0", FENCE)
    rig.programs.listen("t1.0", 9000)
    rig.written.where = "0.0.0.0"
    rig.desk.look()
    assert rig.desk.instances(SERVICE)[0].address == "100.64.0.2:9000"


def test_the_name_of_the_service_stays_when_its_copies_are_gone(rig: Rig) -> None:
    before(rig)
    rig.desk.weigh(SERVICE, NAME, 0, FENCE)
    place = rig.resolve(NAME)
    rig.desk.stop("t1.0", 1.0, FENCE)
    assert rig.fresh()[-1] == "leave"
    rig.desk.forget("t1.0", FENCE)
    rig.desk.weigh(SERVICE, NAME, 0, FENCE)
    assert place == ("fd00::5:0:0:1", PORT)
    assert rig.resolve(NAME) == ("fd00::5:0:0:1", 80)


def test_one_that_could_not_be_written_down_leaves_when_it_is_stopped(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    rig.desk.reserve(rig.covered("t1"), FENCE)
    with monkeypatch.context() as full:
        full.setattr(rig.desk.ledger, "save", lambda _: (_ for _ in ()).throw(OSError("full")))
        with pytest.raises(OSError, match="full"):
            rig.desk.join("t1.0", FENCE)
    rig.desk.keep_network()
    assert set(rig.network.members) == {"t1.0"}
    rig.desk.stop("t1.0", 1.0, FENCE)
    assert rig.network.members == {}


def test_the_edge_is_told_of_rooms_when_they_change_and_again_when_it_was_down(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    rooms = [Room(environment="shop", path="/run/netns/a", prefix="fd00::/64", dns="fd00::53")]
    told: list[Sequence[Room]] = []
    rig.desk.joining.rooms = lambda: rooms
    with monkeypatch.context() as down:
        down.setattr(rig.edge, "rooms", lambda _: (_ for _ in ()).throw(TransientError("no edge")))
        before(rig)
    monkeypatch.setattr(rig.edge, "rooms", told.append)
    for _ in range(3):
        rig.desk.keep_network()
    assert told == [rooms]
    rooms = []
    rig.desk.keep_network()
    assert told[1:] == [[]]


def tcp(rig: Rig, token: str, runtime: RuntimeName = LEGACY) -> InstanceSpec:
    spec = replace(rig.covered(token), direct=True, runtime=runtime)
    rig.desk.reserve(spec, FENCE)
    rig.desk.join(spec.id, FENCE)
    rig.desk.start(spec, FENCE)
    rig.desk.attach(spec.id, PORT, "", FENCE)
    return spec


def test_the_room_leads_plain_tcp_to_the_newest_copy_and_the_name_stays_where_it_is(rig: Rig) -> None:
    tcp(rig, "t1")
    place = rig.resolve(NAME)
    assert (place, rig.network.leads) == (("fd00::5:0:0:1", PORT), {SERVICE: ("fd00::1:0:2", PORT)})
    tcp(rig, "t2")
    assert (rig.resolve(NAME), rig.network.leads) == (place, {SERVICE: ("fd00::1:0:3", PORT)})
    rig.network.connections[SERVICE, "fd00::1:0:2"] = 4
    assert [rig.desk.in_flight(SERVICE, LEGACY, token) for token in ("", "t1", "t2")] == [4, 4, 0]
    rig.network.leads.clear()
    rig.again()
    rig.desk.bring_back()
    assert rig.network.leads == {SERVICE: ("fd00::1:0:3", PORT)}
    for token in ("t1.0", "t2.0"):
        rig.desk.detach(token, FENCE)
    assert rig.network.leads == {}


@pytest.mark.parametrize(
    ("where", "address", "copies"), [("::", "fd00::5:0:0:1", "fd00::1:0:"), ("0.0.0.0", "100.64.128.1", "100.64.0.")]
)
def test_plain_tcp_is_v2s_at_its_full_weight_and_not_before(rig: Rig, where: str, address: str, copies: str) -> None:
    rig.written.where = where
    tcp(rig, "t1")
    rig.desk.weigh(SERVICE, NAME, 0, FENCE)
    tcp(rig, "t2", RuntimeName.V2)
    for weight, copy in ((0, "2"), (50, "2"), (100, "3"), (0, "2"), (100, "3")):
        rig.desk.weigh(SERVICE, NAME, weight, FENCE)
        assert (rig.resolve(NAME), rig.network.leads) == ((address, PORT), {SERVICE: (copies + copy, PORT)})
    rig.desk.detach("t1.0", FENCE)
    rig.desk.weigh(SERVICE, NAME, 0, FENCE)
    assert rig.network.leads == {SERVICE: (copies + "3", PORT)}, "the other side has no copy"


def test_plain_tcp_on_ipv4_alone_has_an_ipv4_address_that_stays(rig: Rig) -> None:
    rig.written.where = "0.0.0.0"
    tcp(rig, "t1")
    place = rig.resolve(NAME)
    assert (place, rig.network.leads) == (("100.64.128.1", PORT), {SERVICE: ("100.64.0.2", PORT)})
    tcp(rig, "t2")
    assert (rig.resolve(NAME), rig.network.leads) == (place, {SERVICE: ("100.64.0.3", PORT)})
    rig.network.connections[SERVICE, "fd00::1:0:2"] = 4
    assert rig.desk.in_flight(SERVICE, LEGACY, "t1") == 4
    rig.again()
    rig.desk.bring_back()
    assert (rig.resolve(NAME), rig.network.leads) == (place, {SERVICE: ("100.64.0.3", PORT)})
    rig.written.where = "::"
    tcp(rig, "t3")
    assert (rig.resolve(NAME), rig.network.leads) == (("fd00::5:0:0:1", PORT), {SERVICE: ("fd00::1:0:4", PORT)})


def test_whoever_has_the_name_is_served(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """The edge knows a copy before its names do."""
    before(rig)
    rig.desk.weigh(SERVICE, NAME, 0, FENCE)
    known: list[bool] = []
    monkeypatch.setattr(rig.names, "publish", lambda name, *_: known.append(bool(rig.edge.routes[NAME].legacy)))
    rig.desk.attach("t1.0", PORT, "", FENCE)
    assert known
    assert all(known)


def test_what_cannot_be_mended_now_does_not_end_the_host_part(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    after(rig)
    rig.fresh()
    rig.desk.joining._patched.clear()
    with monkeypatch.context() as broken:
        broken.setattr(rig.network, "keep", lambda _: (_ for _ in ()).throw(BrokenError("no room", then="x")))
        rig.desk.keep_network()
    assert "no room" in capfd.readouterr().err
    assert rig.fresh() == ["patch"]
    rig.desk.joining._patched.clear()
    with monkeypatch.context() as away:
        away.setattr(rig.programs, "facts", lambda _: (_ for _ in ()).throw(TransientError("away", then="x")))
        rig.desk.keep_network()
        rig.desk.replace_lost()
    assert rig.fresh() == []


def test_a_room_that_the_edge_refuses_stops_nobody_of_another_one(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    rooms = [Room(environment=name, path=f"/run/netns/{name}", prefix="fd00::/64", dns="fd00::53") for name in ("shop", "zoo")]
    rig.desk.joining.rooms = lambda: rooms
    asked: list[Sequence[Room]] = []
    deaf = ["zoo"]

    def refused(told: Sequence[Room]) -> None:
        asked.append(told)
        if deaf:
            raise RoomsRefusedError(deaf, then="x")

    monkeypatch.setattr(rig.edge, "rooms", refused)
    before(rig)
    assert rig.desk.instances(SERVICE)[0].facts.phase is Phase.RUNNING
    deaf[:] = [SERVICE.partition("/")[0]]
    with pytest.raises(RoomsRefusedError, match=r"room of \w"):
        rig.desk.joining.tell(deaf[0])
    asked.clear()
    for _ in range(3):
        rig.desk.keep_network()
    assert (asked, capfd.readouterr().err.count("does not listen")) == ([rooms] * 3, 1)
    deaf.clear()
    for _ in range(2):
        rig.desk.keep_network()
    assert asked[3:] == [rooms]
