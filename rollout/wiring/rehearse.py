"""`execute --dry-run`: the same drive on copies of what the store says, in memory and in virtual time."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from rollout.executor.drive import drive
from rollout.executor.memory import MemoryJournal, MemoryLeases, VirtualClock, inline
from rollout.executor.ports import Control, ControlKind
from rollout.executor.world import World
from rollout.operations.execute import Left, Order, WaveReport, report_of, standing_obstacles
from rollout.operations.means import Means
from rollout.operations.numbers import Measured, by_service
from rollout.operations.order import refuse_what_is_over
from rollout.operations.saying import Say
from rollout.runtimes.memory import MemoryHealth, MemoryHost, MemoryTraffic, memory_edge, memory_runtimes
from rollout.runtimes.memory_instrument import MemoryInstrument
from rollout.store.waves import ENDED, StoredWave
from rollout.wiring import actor
from rollout.wiring.memory import comparing, faults
from rollout.wiring.preconditions import Preconditions
from rollout.wiring.workshop import Tell


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ports:
    clock: VirtualClock
    leases: MemoryLeases
    journal: MemoryJournal


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsed:
    """What a wave would leave behind. `measured`: of each service, by its id; each snapshot says that it is simulated."""

    report: WaveReport
    measured: Mapping[str, Sequence[Measured]]


def rehearse(means: Means, numbers: Sequence[int], tell: Tell, left: Left, say: Say) -> Iterator[Rehearsed]:
    """Each wave, one after the other; nothing of the store, and nothing that runs, is touched."""
    clock = VirtualClock(actor.now())
    leases = MemoryLeases(clock)
    journal = MemoryJournal(leases, clock)
    ports = _Ports(clock=clock, leases=leases, journal=journal)
    for place, number in enumerate(numbers):
        wave = means.waves.get(number)
        if wave.facts.state == ENDED:
            say(f"{wave.facts.name} has ended: nothing to simulate")
            continue
        refuse_what_is_over(wave, means.clock.now())
        for obstacle in standing_obstacles(means, wave, Order(), left, over=numbers[:place]):
            say(f"{wave.facts.name} would wait: {obstacle.text}")
        _copy(means, wave, journal)
        world = _world(means, wave, ports, tell)
        lease = leases.take(wave.facts.name, actor.holder(f"execute {wave.facts.name} --dry-run"))
        result = drive(world, wave.wave, lease)
        leases.give_back(lease)
        yield Rehearsed(report=report_of(wave, journal.moves(number), result), measured=by_service(journal.measured))
        journal.measured.clear()


def _copy(means: Means, wave: StoredWave, journal: MemoryJournal) -> None:
    """What the wave's services run, where they run, and how far they are."""
    for move in wave.wave.moves:
        journal.placed |= {(p.service, p.runtime): p for p in means.standing.placements(move.service)}
        journal.settings[move.service] = means.standing.setting(move.service)
        for placement in means.standing.placements(move.service):
            release = means.standing.release(move.service, placement.release)
            if release is not None:
                journal.releases.setdefault(move.service, []).append(release)
    for row in means.progress.moves(wave.facts.number):
        journal.rows[row.id] = row
    for person in range(wave.policy.tier(wave.facts.tier).approvals):
        number = len(journal.asked) + 1
        journal.asked[number] = Control(
            id=number,
            kind=ControlKind.APPROVAL,
            subject=wave.facts.name,
            actor=f"person {person + 1}",
            reason="as if approved",
            at=actor.now(),
        )


def _world(means: Means, wave: StoredWave, ports: _Ports, tell: Tell) -> World:
    clock, journal = ports.clock, ports.journal
    host = MemoryHost(clock=clock)
    for move in wave.wave.moves:
        for placement in journal.placements(move.service):
            release = journal.release(move.service, placement.release)
            if release is not None:
                host.adopt(release, placement)
                host.faults |= faults(release)
    traffic = [MemoryTraffic(host)] if wave.policy.traffic is not None else []
    return World(
        clock=clock,
        journal=journal,
        standing=journal,
        leases=ports.leases,
        runtimes=memory_runtimes(host),
        edge=memory_edge(host),
        gates=[MemoryHealth(host), *traffic],
        comparing=comparing(host, wave.policy),
        instrument=MemoryInstrument(host),
        policy=wave.policy,
        spawn=inline,
        tell=tell,
        stop_requested=means.stop_requested,
        stale=Preconditions(means.database, actor.now).stale,
        at_once=lambda _: True,
    )
