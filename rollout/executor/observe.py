"""One look at a move: its copies, its gates, what is in flight. Reads only; a broken instrument is told, not raised."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from rollout.errors import FencedError, RolloutError
from rollout.executor.actions import Seen, worst
from rollout.executor.asking import Asking
from rollout.executor.comparing import compares, never_compares
from rollout.executor.measuring import Instrument, period, running
from rollout.executor.ports import Copy, Gate, Look
from rollout.executor.world import World
from rollout.model.fleet import Release, RuntimeName
from rollout.model.move import Move
from rollout.model.snapshot import Snapshot
from rollout.model.state import State
from rollout.model.verdict import Outcome, Verdict

TAIL = 50
WATCHED = frozenset({State.PROVING, State.SHIFTING, State.BAKING, State.WARM, State.STUCK})
MEASURED = frozenset({State.PROVING, State.SHIFTING, State.BAKING})
PROVES_SOURCE = frozenset({State.PROVING, State.FALLING_BACK, State.STUCK})


def observe(
    world: World,
    row: Move,
    release: Release | None,
    now: datetime,
    *,
    final: bool = False,
    probe: bool = False,
    asking: Asking | None = None,
    ended: Move | None = None,
) -> Seen:
    """What stands now. FencedError when another driver has the service; any other failure is `broken`.

    `ended`: the row as it was in a period that is still to be measured.
    `asking` tells another thread what is waited for; a gate that owes an answer already is not asked: its verdict is `error`.
    """
    if release is None:
        return Seen(broken=f"release {row.release} of {row.service} is not in the store")
    try:
        shown = Look(
            move=row,
            release=release,
            side=row.target,
            token=row.token,
            since=row.since,
            now=now,
            weight=row.weight,
            final=final,
            probe=probe,
        )
        asking = asking or Asking(world.clock)
        seen = _look(world, shown, asking)
        return replace(seen, owed=_owed(world, shown, ended, asking)) if ended else seen
    except FencedError:
        raise
    except RolloutError as error:
        return Seen(release=release, broken=error.what)
    except Exception as error:  # noqa: BLE001 (an instrument that breaks in an unforeseen way pauses the move, visibly)
        return Seen(release=release, broken=f"unexpected {type(error).__name__}: {error}")


def _look(world: World, shown: Look, asking: Asking) -> Seen:
    row = shown.move
    target = _copy(world, row, row.target, row.token, asking) if "launch" in row.begun else None
    source = _copy(world, row, row.source, row.source_token, asking)
    watched = row.state in WATCHED and target is not None and target.alive
    verdicts, absent = _ask(world, shown, asking) if watched else ((), {})
    proven = row.state in PROVES_SOURCE and source is not None and source.alive
    source_verdicts = _ask(world, replace(shown, side=row.source, token=row.source_token), asking)[0] if proven else ()
    trouble = row.state in WATCHED and (
        target is None or not target.alive or bool(target.restarts) or worst(verdicts) is Outcome.FAIL or shown.final
    )
    return Seen(
        release=shown.release,
        target=target,
        source=source,
        verdicts=verdicts,
        source_verdicts=source_verdicts,
        absent=absent,
        open_on_source=_open(world, row, row.source, asking) if row.state is State.FINISHING else 0,
        open_on_target=_open(world, row, row.target, asking) if row.state is State.FALLING_BACK else 0,
        tail=asking.of("the log", lambda: tail(world, row)) if trouble else (),
        snapshots=_measured(world, shown, verdicts, asking),
    )


def _measured(world: World, shown: Look, verdicts: tuple[Verdict, ...], asking: Asking) -> Sequence[Snapshot]:
    """Of the period that may end now. An instrument that breaks, or does not answer, keeps no move from anything."""
    if shown.move.state not in MEASURED:
        return ()

    def question(instrument: Instrument) -> Sequence[Snapshot]:
        instrument.watch(shown)
        ending = period(shown, verdicts, world.policy)
        return instrument.measure(shown, *ending) if ending else ()

    return _ask_instrument(world, question, asking)


def _owed(world: World, shown: Look, ended: Move, asking: Asking) -> Sequence[Snapshot]:
    """Of the period in which the move was until a moment ago: nothing has changed at the edge since then."""
    past = replace(shown, move=ended, since=ended.since)
    found = running(ended, world.policy)
    return _ask_instrument(world, lambda instrument: instrument.measure(past, *found) if found else (), asking)


def _ask_instrument(world: World, question: Callable[[Instrument], Sequence[Snapshot]], asking: Asking) -> Sequence[Snapshot]:
    instrument = world.instrument
    if instrument is None:
        return ()
    try:
        return asking.of("the instrument", lambda: question(instrument))
    except Exception:  # noqa: BLE001 (what was measured is shown, nothing is decided by it)
        return ()


def _copy(world: World, row: Move, side: RuntimeName, token: str, asking: Asking) -> Copy | None:
    return asking.of(f"the runtime {side}", lambda: world.runtimes[side].inspect(row.service, token))


def _open(world: World, row: Move, side: RuntimeName, asking: Asking) -> int:
    return asking.of("the edge", lambda: world.edge.in_flight(row.service, side))


def _ask(world: World, look: Look, asking: Asking) -> tuple[tuple[Verdict, ...], dict[str, str]]:
    """What the gates say of one side. Before traffic, and of the source, only those that can judge a copy by itself."""
    alone = look.side is look.move.source or look.move.state in {State.PROVING, State.STUCK}
    verdicts: list[Verdict] = []
    absent: dict[str, str] = {}
    both = not alone and compares(look.move)
    if world.comparing and not alone and (never := never_compares(look.move)):
        absent.update({gate.name: never for gate in world.comparing})
    for gate in (*world.gates, *world.comparing) if both else world.gates:
        if alone and not gate.proves:
            continue
        said = _said(world, gate, look, asking)
        if isinstance(said, Verdict):
            verdicts.append(said)
        else:
            absent[gate.name] = said
    return tuple(verdicts), absent


def _said(world: World, gate: Gate, look: Look, asking: Asking) -> Verdict | str:
    """The verdict, or why the gate cannot apply."""

    def question() -> Verdict | str:
        reason = gate.absent(look.release)
        return gate.look(look) if reason is None else reason

    try:
        return asking.of(f"the gate {gate.name} on {look.side}", question)
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
