"""One look at a move: its copies, its gates, what is in flight. Reads only; a broken instrument is told, not raised."""

from datetime import datetime

from rollout.errors import FencedError, RolloutError
from rollout.executor.actions import Seen, worst
from rollout.executor.ports import Gate, Look
from rollout.executor.world import World
from rollout.model.fleet import Release, RuntimeName
from rollout.model.move import Move
from rollout.model.state import State
from rollout.model.verdict import Outcome, Verdict

TAIL = 50
WATCHED = frozenset({State.PROVING, State.SHIFTING, State.BAKING, State.WARM, State.STUCK})
PROVES_SOURCE = frozenset({State.PROVING, State.FALLING_BACK, State.STUCK})


def observe(world: World, row: Move, release: Release | None, now: datetime, *, final: bool = False) -> Seen:
    """What stands now. FencedError when another driver has the service; any other failure is `broken`."""
    if release is None:
        return Seen(broken=f"release {row.release} of {row.service} is not in the store")
    try:
        return _look(world, row, release, now, final=final)
    except FencedError:
        raise
    except RolloutError as error:
        return Seen(release=release, broken=error.what)
    except Exception as error:  # noqa: BLE001 (an instrument that breaks in an unforeseen way pauses the move, visibly)
        return Seen(release=release, broken=f"unexpected {type(error).__name__}: {error}")


def _look(world: World, row: Move, release: Release, now: datetime, *, final: bool) -> Seen:
    target = world.runtimes[row.target].inspect(row.service, row.token) if "launch" in row.begun else None
    source = world.runtimes[row.source].inspect(row.service, row.source_token)
    watched = row.state in WATCHED and target is not None and target.alive
    verdicts, absent = _ask(world, row, release, now, side=row.target, final=final) if watched else ((), {})
    proven = row.state in PROVES_SOURCE and source is not None and source.alive
    source_verdicts = _ask(world, row, release, now, side=row.source, final=final)[0] if proven else ()
    trouble = row.state in WATCHED and (
        target is None or not target.alive or bool(target.restarts) or worst(verdicts) is Outcome.FAIL or final
    )
    return Seen(
        release=release,
        target=target,
        source=source,
        verdicts=verdicts,
        source_verdicts=source_verdicts,
        absent=absent,
        open_on_source=world.edge.in_flight(row.service, row.source) if row.state is State.FINISHING else 0,
        open_on_target=world.edge.in_flight(row.service, row.target) if row.state is State.FALLING_BACK else 0,
        tail=tail(world, row) if trouble else (),
    )


def _ask(
    world: World, row: Move, release: Release, now: datetime, *, side: RuntimeName, final: bool
) -> tuple[tuple[Verdict, ...], dict[str, str]]:
    """What the gates say of one side. Before traffic, and of the source, only those that can judge a copy by itself."""
    alone = side is row.source or row.state in {State.PROVING, State.STUCK}
    look = Look(
        move=row,
        release=release,
        side=side,
        token=row.source_token if side is row.source else row.token,
        since=row.since,
        now=now,
        weight=row.weight,
        final=final,
    )
    verdicts: list[Verdict] = []
    absent: dict[str, str] = {}
    for gate in world.gates:
        reason = gate.absent(release)
        if reason is not None:
            absent[gate.name] = reason
        elif gate.proves or not alone:
            verdicts.append(_verdict(world, gate, look))
    return tuple(verdicts), absent


def _verdict(world: World, gate: Gate, look: Look) -> Verdict:
    try:
        return gate.look(look)
    except FencedError:
        raise
    except Exception as error:  # noqa: BLE001 (a check that breaks is the verdict `error`)
        what = error.what if isinstance(error, RolloutError) else f"{type(error).__name__}: {error}"
        return Verdict(gate=gate.name, outcome=Outcome.ERROR, reason=world.mask(what), at=look.now)


def tail(world: World, row: Move) -> tuple[str, ...]:
    """The last lines of the target's copy, masked; what could not be read is said in their place."""
    try:
        return tuple(world.mask(line) for line in world.runtimes[row.target].tail(row.service, row.token, TAIL))
    except FencedError:
        raise
    except RolloutError as error:
        return (f"(its log could not be read: {error.what})",)
