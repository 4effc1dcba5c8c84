"""How fast the engine drives a wave, against the bare disk; and how soon a killed driver's work is taken up again.

One wave of 10,000 services on the engine `memory`, whose effects are immediate, the store a SQLite file with
synchronous=FULL; nothing is waited for (the policy's steps, bake and health checks take no time).

1. A driver in a process of its own is killed (SIGKILL) in the middle, with 500 moves in flight.
2. This process, all imports done, executes the wave again, as `rollout execute wave-1` does. `resume_s` is the time from
   opening the home until every one of the moves that were in flight has durably gone on: a journal row of its own, or the
   time of its next look.
3. It drives on: a slice with 500 moves in flight, where the disk hardly counts (`floor_ratio_at_500`); then, after a limit
   was set as a person would (`total=150`), slices with 150 in flight: of them tell `floor_ratio` and `steps_per_s`. A *step*
   is one journal row durably written (an intent, an outcome, an event), with all that belongs to it: the decision, the effect,
   the move's current row, the audit line of an event, placements and settings. They are counted from the resumption to the
   last commit of a slice of some seconds.
4. The floor, right after each slice, in a process of its own, on a fresh file in the same folder: the very rows that the
   drive has written in that slice, every column and index, ready-made tuples by `executemany` in bare sqlite3, with the same
   journal mode and synchronous=FULL, in groups of as many journal rows as a commit of the slice had on average: the journal
   rows, the current row of each move once a group, the audit lines, placements and their weights, settings. It reads
   nothing and checks no fence. Only the `executemany` and the commits are timed.

Slices and floors take turns, so that both meet the same machine; `floor_ratio` is the median of the slices' ratios.
"""

import argparse
import json
import os
import platform
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parents[2]))

from rollout.executor.ports import Batch, ControlKind, Journal
from rollout.executor.world import World
from rollout.model.fleet import EngineName, Placement, Release, RuntimeName, Service, Tier
from rollout.model.lease import Lease
from rollout.model.policy import Amount, Concurrency, HealthGate, Policy, TierPolicy
from rollout.model.state import IN_FLIGHT
from rollout.operations import plan as planning
from rollout.operations.execute import Order, execute
from rollout.planner.eligibility import Question
from rollout.store import placements, releases
from rollout.store.candidates import AsOf
from rollout.store.controls import Ask, Controls
from rollout.store.database import FILE
from rollout.store.services import Services
from rollout.wiring import actor
from rollout.wiring.home import Home
from rollout.wiring.workshop import Voice
from rollout.wiring.world import means

import rollout.wiring.building  # isort: skip  # noqa: F401 (what a verb loads when it drives: all imports are done)

SERVICES = 10_000
AT_KILL = 500
AT_ONCE = 150
LIMIT_S = 60.0
SLICES = {"short": 3, "usual": 5, "long": 1000}
SLICE_S = 2.0
TABLES = ("journal", "move", "audit", "placement", "setting")
WEIGH = "UPDATE placement SET weight = ? WHERE service = ? AND runtime = ?"
CHANGE = "UPDATE move SET state = ?, live = 1, due = ?, seq = ?, entries = entries + 1, body = ? WHERE id = ?"
POLICY = Policy(
    name="bench",
    tiers=(TierPolicy(tier=Tier.TRIAL, first=Amount(count=SERVICES), size=Amount(count=SERVICES)),),
    concurrency=Concurrency(total=AT_KILL),
    step_s=0.0,
    bake_s=0.0,
    health=HealthGate(passes=1, looks=1, over_s=0.0, every_s=0.01),
)


def main() -> None:
    """One JSON line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--short", action="store_const", dest="length", const="short", default="usual")
    length.add_argument("--long", action="store_const", dest="length", const="long")
    parser.add_argument("--drive", metavar="HOME", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--floor", metavar="HOME", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--group", type=int, default=1, help=argparse.SUPPRESS)
    parser.add_argument("--rows", type=int, default=1, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.drive:
        drive(Home(asked.drive), Watch())
    elif asked.floor:
        print(floor(asked.floor, asked.group, asked.rows))
    else:
        began = time.perf_counter()
        figures = measure(SLICES[asked.length])
        print(json.dumps({**figures, "machine": machine(), "seconds": round(time.perf_counter() - began, 1)}))


def measure(slices: int) -> dict[str, object]:
    """All four parts, in a home of its own."""
    with tempfile.TemporaryDirectory(prefix="bench-engine.") as folder:
        home = Home(Path(folder))
        prepare(home)
        kill_a_driver(home)
        first = watched(home)
        crowded = first.speed / bare(home, first)
        limit(home)
        runs: list[tuple[Watch, float]] = []
        while len(runs) < slices and not over(home.path):
            watch = watched(home)
            if watch.commits > 1:
                runs.append((watch, bare(home, watch)))
    figures = {
        "steps_per_s": round(median(watch.speed for watch, _ in runs)),
        "floor_steps_per_s": round(median(floor for _, floor in runs)),
        "floor_ratio": round(median(watch.speed / floor for watch, floor in runs), 3),
        "floor_ratio_at_500": round(crowded, 3),
        "resume_s": round(first.resumed - first.since, 3),
        "services": SERVICES,
        "in_flight": AT_ONCE,
        "in_flight_at_kill": first.there,
        "steps": sum(watch.steps for watch, _ in runs),
        "steps_per_commit": round(median(watch.steps / watch.commits for watch, _ in runs)),
    }
    return {"name": "engine", "figures": figures, "peers": {"floor": f"bare sqlite3 {sqlite3.sqlite_version}, same rows"}}


def watched(home: Home) -> "Watch":
    """One slice of the drive."""
    watch = Watch(seconds=SLICE_S)
    watch.since = time.perf_counter()
    watch.waited = in_flight(home.path)
    drive(home, watch)
    return watch


def limit(home: Home) -> None:
    """From now on no more than `AT_ONCE` moves fly, and those above that number have landed."""
    database = home.database()
    asked = Ask(kind=ControlKind.LIMIT, subject="wave-1", actor="bench", value=f"total={AT_ONCE}")
    Controls(database).write(asked, now=actor.now())
    database.close()
    while len(in_flight(home.path)) > AT_ONCE:
        drive(home, Watch(seconds=0.1))


def bare(home: Home, watch: "Watch") -> float:
    """The floor of a slice, in steps a second."""
    group = round(watch.steps / watch.commits)
    return float(own_process("--floor", str(home.path), "--group", str(group), "--rows", str(watch.steps)))


# the drive


@dataclass(slots=True)
class Watch:
    """Looks at every commit of a driver. `waited`: moves that have not gone on yet; `resumed`: when the last one had."""

    seconds: float = 3600.0
    waited: set[str] = field(default_factory=set)
    there: int = 0
    since: float = 0.0
    resumed: float = 0.0
    last: float = 0.0
    steps: int = 0
    commits: int = 0

    def saw(self, batch: Batch) -> None:
        """The batch is durable."""
        now = time.perf_counter()
        if self.resumed:
            self.last = now
            self.steps += len(batch.writes)
            self.commits += bool(batch.writes)
            return
        self.there = max(self.there, len(self.waited))
        self.waited -= {write.row.id for write in batch.writes} | set(batch.later)
        if not self.waited:
            self.resumed = now

    def over(self) -> bool:
        """It was looked at for long enough."""
        return bool(self.resumed) and time.perf_counter() - self.resumed >= self.seconds

    @property
    def spent(self) -> float:
        """Seconds from the resumption to the last commit."""
        return self.last - self.resumed

    @property
    def speed(self) -> float:
        """Steps a second."""
        return self.steps / self.spent


class WatchedJournal:
    """A journal whose commits are seen."""

    def __init__(self, journal: Journal, saw: Callable[[Batch], None]) -> None:
        self._journal = journal
        self._saw = saw

    def __getattr__(self, name: str) -> object:
        return getattr(self._journal, name)

    def commit(self, lease: Lease, batch: Batch) -> None:
        """As the journal does."""
        self._journal.commit(lease, batch)
        self._saw(batch)


def drive(home: Home, watch: Watch) -> None:
    """`rollout execute wave-1` in this process, without its terminal."""
    with means(home, Voice(stop=watch.over)) as tools:

        def world(policy: Policy) -> World:
            built = tools.world(policy)
            return replace(built, journal=WatchedJournal(built.journal, watch.saw))

        watched = replace(tools, world=world)
        execute(watched, tools.waves.get(1), Order(), left=lambda _: {}, told=print)


def kill_a_driver(home: Home) -> None:
    """A driver has been killed when some moves had been made and so many were in flight."""
    driver = subprocess.Popen([sys.executable, __file__, "--drive", str(home.path)])
    try:
        for _ in waiting("a driver with moves in flight"):
            if driver.poll() is not None:
                raise SystemExit(f"the driver ended with {driver.returncode}")
            if moved(home.path) >= AT_KILL and len(in_flight(home.path)) == AT_KILL:
                return
    finally:
        driver.send_signal(signal.SIGKILL)
        driver.wait()


def in_flight(home: Path) -> set[str]:
    """The ids of the moves that are in flight."""
    states = ", ".join(f"'{state}'" for state in IN_FLIGHT)
    with reading(home) as store:
        return {id for (id,) in store.execute(f"SELECT id FROM move WHERE state IN ({states})")}


def moved(home: Path) -> int:
    """How many are warm."""
    with reading(home) as store:
        return int(store.execute("SELECT count(*) FROM move WHERE state = 'warm'").fetchone()[0])


def over(home: Path) -> bool:
    """No move is left to be driven."""
    with reading(home) as store:
        return store.execute("SELECT 1 FROM move WHERE state NOT IN ('warm', 'skipped') LIMIT 1").fetchone() is None


# the floor

Rows = list[tuple[object, ...]]


@dataclass(slots=True)
class Written:
    """What one commit of the floor writes, by table."""

    journal: Rows
    moves: Rows
    audit: Rows
    places: Rows
    weights: Rows
    settings: Rows


def floor(home: Path, group: int, rows: int) -> float:
    """Steps a second of bare sqlite3 with the last rows of the store in `home`, `group` journal rows a commit."""
    with reading(home) as store:
        made = f"SELECT sql FROM sqlite_master WHERE tbl_name IN {TABLES} AND sql IS NOT NULL"
        schema = [sql for (sql,) in store.execute(made)]
        commits = groups(store, group, rows)
        present = {table: store.execute(f"SELECT * FROM {table}").fetchall() for table in ("move", "placement")}
    path = home / "floor.sqlite"
    path.unlink(missing_ok=True)
    store = sqlite3.connect(path, isolation_level=None)
    for statement in ("PRAGMA journal_mode=TRUNCATE", "PRAGMA synchronous=FULL", *schema, "BEGIN"):
        store.execute(statement)
    for table, there in present.items():
        put(store, f"INSERT INTO {table}", there)
    store.execute("COMMIT")
    began = time.perf_counter()
    for written in commits:
        store.execute("BEGIN IMMEDIATE")
        put(store, "INSERT INTO journal", written.journal)
        store.executemany(CHANGE, written.moves)
        put(store, "INSERT INTO audit", written.audit)
        put(store, "REPLACE INTO placement", written.places)
        store.executemany(WEIGH, written.weights)
        put(store, "REPLACE INTO setting", written.settings)
        store.execute("COMMIT")
    spent = time.perf_counter() - began
    store.close()
    return rows / spent


def put(store: sqlite3.Connection, statement: str, rows: Rows) -> None:
    """All rows, every column of each."""
    if rows:
        store.executemany(f"{statement} VALUES ({', '.join('?' * len(rows[0]))})", rows)


def groups(store: sqlite3.Connection, size: int, rows: int) -> list[Written]:
    """The last rows of the journal in groups, and with each what was written beside it."""
    journal = store.execute("SELECT * FROM journal ORDER BY seq DESC LIMIT ?", (rows,)).fetchall()[::-1]
    parts = [journal[start : start + size] for start in range(0, len(journal), size)]
    since = journal[0][2]
    audit = store.execute("SELECT * FROM audit WHERE at >= ? ORDER BY seq", (since,)).fetchall()
    ends = [round(len(audit) * n / len(parts)) for n in range(len(parts) + 1)]
    moves = {row[0]: row[1:] for row in store.execute("SELECT id, state, body, service FROM move")}
    places = {row[0]: row for row in store.execute("SELECT * FROM placement WHERE runtime = 'v2'")}
    settings = {row[0]: row for row in store.execute("SELECT * FROM setting")}
    return [
        Written(
            journal=part,
            moves=[(moves[id][0], at, seq, moves[id][1], id) for id, (seq, at) in last(part).items()],
            audit=audit[first:end],
            places=[places[moves[row[1]][2]] for row in part if row[3:5] == ("outcome", "launch")],
            weights=[found for row in part if row[3] == "outcome" for found in weights(moves[row[1]][2], row[4])],
            settings=[settings[moves[row[1]][2]] for row in part if '"state":"warm"' in row[9]],
        )
        for part, (first, end) in zip(parts, pairwise(ends), strict=True)
    ]


def weights(service: object, step: str) -> Rows:
    """What the outcome of a traffic step changes in placements."""
    kind, _, share = step.partition(":")
    return [(100 - int(share), service, "legacy"), (int(share), service, "v2")] if kind == "shift" else []


def last(entries: Rows) -> dict[object, tuple[object, object]]:
    """Of each move in the group its last journal row: seq and time."""
    return {entry[1]: (entry[0], entry[2]) for entry in entries}


# around


def prepare(home: Home) -> None:
    """A home in which a fleet runs on legacy, and a plan with one wave of all of it."""
    now = actor.now()
    fleet = [
        Service(
            name=f"api-{n}",
            environment=f"shop-{n // 10}",
            customer=f"c-{n // 20}",
            tier=Tier.TRIAL,
            command="run",
            engine=EngineName.MEMORY,
            env={"DATABASE_URL": f"postgres://db/{n}"},
        )
        for n in range(SERVICES)
    ]
    database = home.database()
    Services(database, home.keyed_hash, actor.now).put(fleet, who="bench")
    with database.writing() as session:
        releases.add_many(session, [release(spec, now) for spec in fleet])
        placements.put(session, [placement(spec, now) for spec in fleet])
    as_of = AsOf(now=now)
    proposal = planning.propose(database, POLICY, Question(), as_of=as_of, now=now)
    planning.keep(database, proposal, who="bench", now=now)
    database.close()


def release(spec: Service, now: datetime) -> Release:
    """What the service runs."""
    return Release(service=spec.id, number=1, created=now, created_by="bench", spec=spec)


def placement(spec: Service, now: datetime) -> Placement:
    """It runs on legacy."""
    token = f"deploy.{spec.id}"
    return Placement(service=spec.id, runtime=RuntimeName.LEGACY, release=1, token=token, replicas=1, weight=100, since=now)


@contextmanager
def reading(home: Path) -> Iterator[sqlite3.Connection]:
    """The store of a home, as anybody may read it."""
    store = sqlite3.connect(home / FILE, timeout=LIMIT_S)
    try:
        yield store
    finally:
        store.close()


def waiting(what: str) -> Iterator[None]:
    """Again and again until the limit; then it was in vain."""
    end = time.monotonic() + LIMIT_S
    while time.monotonic() < end:
        yield
        time.sleep(0.05)
    raise SystemExit(f"waited {LIMIT_S:.0f} s for {what}")


def own_process(*words: str) -> str:
    """What this file prints in another process."""
    return subprocess.run([sys.executable, __file__, *words], check=True, stdout=subprocess.PIPE, text=True).stdout


def machine() -> dict[str, object]:
    """Where the figures were measured."""
    return {"cpus": os.cpu_count(), "system": platform.platform(), "python": platform.python_version()}


if __name__ == "__main__":
    main()
