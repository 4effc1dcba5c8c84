"""Bringing back what the store of a home says, through its host part."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain

from rollout.errors import BrokenError, RolloutError
from rollout.host.client import Client
from rollout.host.ports import Attached, Phase
from rollout.model.fleet import EngineName, Release, Service
from rollout.model.lease import Lease
from rollout.network.ask import Asker, Question
from rollout.operations.driving import subject
from rollout.operations.restore import Placed, Restored, amends, make, unknown
from rollout.operations.subject import is_scheduler, wave_name
from rollout.store import counters, egress, placements, releases
from rollout.store.database import FILE, Database
from rollout.store.leases import StoreLeases
from rollout.store.progress import Progress
from rollout.wiring import actor
from rollout.wiring.clock import SystemClock
from rollout.wiring.engines import engine_of
from rollout.wiring.home import Home
from rollout.wiring.host_desk import asker
from rollout.wiring.in_force import default_engine
from rollout.wiring.live import runtimes

ANSWER_S = 10.0
LOOK_S = 0.05
COMING = frozenset({Phase.STARTING, Phase.RUNNING})


@dataclass(frozen=True, slots=True, kw_only=True)
class Back:
    """What was brought back. `started`: instances; `ended`: services; `silent`: services that do not answer yet.

    `unknown`: services that run on although the store places them nowhere.
    """

    started: Sequence[str] = ()
    ended: Sequence[str] = ()
    unknown: Sequence[str] = ()
    silent: Sequence[str] = ()
    problems: Sequence[str] = ()


def bring_back(home: Home, client: Client, *, store: bool = True) -> Back:
    """All that should run runs, first by the host part's own records, then by the store, and answers, or is named.

    With `store=False`, or while the store cannot be used, by the records alone.
    """
    problems: list[str] = []
    asking = asker(home.path)
    before = {one.id for one in client.instances() if one.facts.phase is Phase.RUNNING}
    started: set[str] = set()
    try:
        started.update(client.bring_back())
    except RolloutError as error:
        problems.append(error.what)
    placed: Mapping[str, Placed] = {}
    restored = Restored()
    try:
        if store and (home.path / FILE).exists():
            with home.opened() as database:
                _lead_out(database, client)
                placed = _placed(database)
                restored = _restore(database, client, placed, asking)
    except RolloutError as error:
        problems.append(error.what)
    started.update(one.id for one in client.instances() if one.facts.phase in COMING and one.id not in before)
    return Back(
        started=sorted(started),
        ended=restored.ended,
        unknown=restored.unknown,
        silent=_silent(client, asking, started, {service: one.release.spec for service, one in placed.items()}),
        problems=[*problems, *restored.problems],
    )


def _lead_out(database: Database, client: Client) -> None:
    """The host part knows of each environment whether it may reach the outside."""
    with database.reading() as session:
        said = egress.said(session)
    for environment, is_open in said.items():
        client.set_egress(environment, egress=is_open)


def _placed(database: Database) -> dict[str, Placed]:
    """What the store says of each service that runs as processes."""
    usual = default_engine()
    with database.reading() as session:
        everywhere, known = placements.every(session), releases.placed(session)
    moves = {move.service: move for move in Progress(database).begun()}
    found = {}
    for service, places in everywhere.items():
        runs = [(place, known[service, place.release]) for place in places if _on_this_host(known, service, place.release, usual)]
        if runs:
            found[service] = Placed(places=runs, move=moves.get(service))
    return found


def _on_this_host(known: Mapping[tuple[str, int], Release], service: str, number: int, usual: EngineName) -> bool:
    release = known.get((service, number))
    return release is not None and engine_of(release, usual) is not EngineName.MEMORY


def _restore(database: Database, client: Client, placed: Mapping[str, Placed], asking: Asker) -> Restored:
    leases = [one for one in StoreLeases(database, actor.now, actor.alive).held() if actor.alive(one.holder)]
    others = {one.subject for one in leases if one.holder.pid != actor.holder("").pid}
    fence = _fence(database, leases)
    held: dict[str, list[Attached]] = {}
    for one in client.instances():
        held.setdefault(one.service, []).append(one)
    known = {one.service: one for one in client.known()}
    todo = [
        amends(one, held.get(service, []), known.get(service), fence)
        for service, one in placed.items()
        if not _in_other_hands(service, one, others)
    ]
    moving = {move.service for move in Progress(database).begun()}
    strange = unknown(placed, chain(*held.values()), lambda service: subject(service) in others or service in moving)
    return replace(make(todo, client, runtimes(client, SystemClock(), asking)), unknown=strange)


def _in_other_hands(service: str, placed: Placed, others: set[str]) -> bool:
    """Somebody works on the service now: it is theirs to change."""
    return subject(service) in others or (placed.move is not None and wave_name(placed.move.wave) in others)


def _fence(database: Database, leases: Sequence[Lease]) -> int:
    """For services that the host part has no number of: nobody who drives now is refused by it, nobody of before is let in."""
    with database.reading() as session:
        last = counters.current(session, counters.LEASE)
    return min((one.number for one in leases if not is_scheduler(one.subject)), default=last)


def _silent(client: Client, asking: Asker, started: set[str], specs: Mapping[str, Service]) -> list[str]:
    """Services of started instances that do not answer within 10 s: a gate would take that for a failure of their own."""
    limit = time.monotonic() + ANSWER_S
    while started:
        waited = [one for one in client.instances() if one.id in started and one.address and one.facts.phase in COMING]
        mute = [one for one in waited if not _answers(asking, one, specs)]
        started = {one.id for one in mute}
        if time.monotonic() > limit:
            return sorted({one.service for one in mute})
        if mute:
            time.sleep(LOOK_S)
    return []


def _answers(asking: Asker, one: Attached, specs: Mapping[str, Service]) -> bool:
    try:
        return asking.ask(one.address, _question(one, specs)).good
    except BrokenError:  # its room is being made
        return False


def _question(one: Attached, specs: Mapping[str, Service]) -> Question:
    spec = specs.get(one.service)
    return Question(path=spec.health_path, host_name=spec.host_name) if spec else Question()
