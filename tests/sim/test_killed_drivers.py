"""Real processes on a real store: SIGKILL after any commit, and SIGSTOP while another takes over."""

import json
import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from time import sleep

import pytest

from rollout.errors import FencedError, LockedError
from rollout.executor.drive import drive
from rollout.executor.fold import added_up
from rollout.executor.ports import Batch
from rollout.executor.result import Until
from rollout.executor.world import World
from rollout.model.fleet import Placement, Release, RuntimeName, Service, Tier
from rollout.model.lease import Lease
from rollout.model.move import Entry, EntryKind, Move
from rollout.model.plan import PlannedMove, Precondition, Strategy, Wave
from rollout.model.policy import Deadlines, HealthGate, Policy, TierPolicy
from rollout.model.state import Event, State
from rollout.store import audit, placements, releases
from rollout.store.database import FILE, Database, connect
from rollout.store.journal import StoreJournal
from rollout.store.leases import StoreLeases
from rollout.store.migrate import upgrade
from rollout.store.services import Services
from rollout.store.tables import MAIN
from rollout.wiring import actor
from tests.sim.filehost import FileEdge, FileHost, FileRuntime

API = Service(name="api", environment="shop", customer="c1", tier=Tier.TRIAL, command="run")
POLICY = Policy(
    name="quick",
    tiers=(TierPolicy(tier=Tier.TRIAL),),
    steps=(50, 100),
    step_s=0.01,
    bake_s=0.01,
    keep_warm_s=0.01,
    health=HealthGate(every_s=0.01),
    deadlines=Deadlines(step_s=30, draining_s=1),
)
LEASE_S = 0.5
TAKEN_OVER = 6
Hook = Callable[[int], None]


class Clock:
    def now(self) -> datetime:
        return datetime.now(UTC)

    def sleep(self, seconds: float) -> None:
        sleep(seconds)


class HookedJournal(StoreJournal):
    """Calls `after` with the number of each commit that was made durable."""

    commits = 0
    after: Hook = staticmethod(lambda _: None)

    def commit(self, lease: Lease, batch: Batch) -> None:
        super().commit(lease, batch)
        self.commits += 1
        self.after(self.commits)


def wave(strategy: Strategy) -> Wave:
    condition = Precondition(settings_hash="", tier=Tier.TRIAL, runtime=RuntimeName.LEGACY, pinned=False, release=1)
    planned = PlannedMove(
        service=API.id,
        customer="c1",
        environment="shop",
        kind=API.kind,
        strategy=strategy,
        expected_s=1,
        downtime_s=0,
        precondition=condition,
        why="",
    )
    return Wave(number=1, tier=Tier.TRIAL, moves=(planned,))


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A store and a host with one service on legacy."""
    database = opened(tmp_path)
    upgrade(database.engine, str(tmp_path))
    now = datetime.now(UTC)
    here = Placement(service=API.id, runtime=RuntimeName.LEGACY, release=1, token="old", replicas=1, weight=100, since=now)
    Services(database, lambda content: str(len(content)), lambda: now).put([API], who="ann")
    with database.writing() as session:
        releases.add_many(session, [Release(service=API.id, number=1, created=now, created_by="ann", spec=API)])
        placements.put(session, [here])
    database.close()
    (tmp_path / "host.json").write_text(
        json.dumps(
            {"copies": {"old": [API.id, "legacy"]}, "weights": {API.id: {"legacy": 100, "v2": 0}}, "fences": {}, "launches": []}
        )
    )
    return tmp_path


def opened(path: Path) -> Database:
    return Database(connect(path / FILE), str(path))


def child(
    path: Path,
    strategy: Strategy,
    *,
    after: Hook = lambda _: None,
    before: Callable[[str], None] = lambda _: None,
    tick_s: float = 0.01,
) -> int:
    """A driver in a process of its own: its pid. It ends with 0, or 6 when it was taken over."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            code = run(path, strategy, after, before, tick_s)
        finally:
            os._exit(code)
    return pid


def run(path: Path, strategy: Strategy, after: Hook, before: Callable[[str], None], tick_s: float) -> int:
    database = opened(path)
    journal = HookedJournal(database, actor.now)
    journal.after = after
    leases = StoreLeases(database, actor.now, actor.alive, lasts_s=LEASE_S)
    host = FileHost(path / "host.json", before)
    with ThreadPoolExecutor(2) as pool:
        world = World(
            clock=Clock(),
            journal=journal,
            standing=journal,
            leases=leases,
            runtimes={name: FileRuntime(host, name) for name in RuntimeName},
            edge=FileEdge(host),
            gates=(),
            policy=POLICY,
            spawn=pool.submit,
            tick_s=tick_s,
        )
        lease = patiently(lambda: leases.take("wave-1", actor.holder("execute wave-1")))
        try:
            result = drive(world, wave(strategy), lease, until=Until.FINISHED)
        except FencedError:
            return TAKEN_OVER
        leases.give_back(lease)
    return TAKEN_OVER if result.lost else int(result.exit)


def patiently(take: Callable[[], Lease]) -> Lease:
    for _ in range(1000):
        try:
            return take()
        except LockedError:
            sleep(0.01)
    raise AssertionError("the lease was never free")


def ended(pid: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def stopped(pid: int) -> None:
    status = os.waitpid(pid, os.WUNTRACED)[1]
    assert os.WIFSTOPPED(status), status


def journal(path: Path) -> list[Entry]:
    database = opened(path)
    table = MAIN.tables["journal"]
    with database.reading() as session:
        audit.verify(session)
        rows = session.execute(table.select().order_by(table.c.seq)).all()
    database.close()
    return [
        Entry(
            move=r.move,
            kind=EntryKind(r.kind),
            at=datetime.fromisoformat(r.at),
            actor=r.actor,
            step=r.step,
            event=Event(r.event) if r.event else None,
            changes=r.changes,
            lease=r.lease,
        )
        for r in rows
    ]


def end_of(path: Path) -> Move:
    """The row, checked against the sum of its journal and against what really runs."""
    database = opened(path)
    row = StoreJournal(database, actor.now).moves(1)[0]
    database.close()
    assert added_up(journal(path)) == {row.id: replace(row, due=None)}
    host = FileHost(path / "host.json").read()
    assert host["copies"] == {row.token: [API.id, "v2"]}
    assert host["weights"][API.id] == {"legacy": 0, "v2": 100}
    assert host["launches"].count(row.token) <= 2
    return row


def kill_self(nth: int) -> Hook:
    return lambda commit: os.kill(os.getpid(), signal.SIGKILL) if commit == nth else None


def stop_self(nth: int) -> Hook:
    return lambda commit: os.kill(os.getpid(), signal.SIGSTOP) if commit == nth else None


@pytest.mark.parametrize("strategy", list(Strategy))
def test_killed_after_any_commit_a_new_process_finishes(place: Path, strategy: Strategy) -> None:
    kept = {name: (place / name).read_bytes() for name in (FILE, "host.json")}
    for nth in range(1, 60):
        for name, content in kept.items():
            (place / name).write_bytes(content)
        if ended(child(place, strategy, after=kill_self(nth))) == 0:
            break
        assert ended(child(place, strategy)) == 0
        assert end_of(place).state is State.FINISHED, f"killed after commit {nth}"
    assert nth >= 8


@pytest.fixture
def driver() -> Iterator[Callable[[int], int]]:
    """Remembers a driver, and kills it when the test is over if it still lives."""
    pids: list[int] = []

    def remember(pid: int) -> int:
        pids.append(pid)
        return pid

    yield remember
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        except (ProcessLookupError, ChildProcessError):
            continue


@pytest.mark.parametrize("nth", [2, 4, 6, 8, 10])
def test_a_driver_that_slept_through_a_takeover_changes_nothing(place: Path, nth: int, driver: Callable[[int], int]) -> None:
    first = driver(child(place, Strategy.OVERLAP, after=stop_self(nth)))
    stopped(first)
    assert ended(child(place, Strategy.OVERLAP)) == 0
    entries, host = journal(place), FileHost(place / "host.json").read()
    os.kill(first, signal.SIGCONT)
    assert ended(first) == TAKEN_OVER
    assert journal(place) == entries
    assert FileHost(place / "host.json").read() == host
    assert end_of(place).state is State.FINISHED


@pytest.mark.parametrize("effect", ["launch", "weigh", "stop"])
def test_stopped_between_its_check_and_its_effect_it_changes_nothing(
    place: Path, effect: str, driver: Callable[[int], int]
) -> None:
    reached, go_on = os.pipe(), os.pipe()

    def before(name: str) -> None:
        if name == effect:
            os.write(reached[1], b"!")
            os.read(go_on[0], 1)

    first = driver(child(place, Strategy.OVERLAP, before=before, tick_s=1.0))
    assert os.read(reached[0], 1)
    os.kill(first, signal.SIGSTOP)
    stopped(first)
    assert ended(child(place, Strategy.OVERLAP)) == 0
    entries, host = journal(place), FileHost(place / "host.json").read()
    os.write(go_on[1], b"!!!!")
    os.kill(first, signal.SIGCONT)
    assert ended(first) == TAKEN_OVER
    assert (journal(place), FileHost(place / "host.json").read()) == (entries, host)
