"""What a wave will do, and what it left behind, in words."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from rollout.cli.when import since, span
from rollout.model.plan import Strategy
from rollout.model.state import IN_FLIGHT, State
from rollout.operations.execute import Ending, WaveReport
from rollout.store.waves import StoredWave

MOST = 10
TAKEN_UP_S = 2
"""The scheduler looks every second for what nobody drives."""
_WORDS = {State.FELL_BACK: "fell back", State.ABORTED: "brought back", State.STUCK: "stuck"}


def intent(wave: StoredWave) -> Iterator[str]:
    """What executing the wave will do."""
    policy, moves = wave.policy, wave.wave.moves
    count = f"{len(moves)} service{'s go' if len(moves) != 1 else ' goes'}"
    yield f"{wave.facts.name} ({wave.facts.tier}): {count} from legacy to v2"
    steps = ", ".join(str(step) for step in policy.steps)
    yield (
        f"  traffic {steps} %, each watched for {span(policy.step_s)}; bake {span(policy.bake_s)}; "
        f"legacy kept for {span(policy.keep_warm_s)}"
    )
    for move in moves:
        if move.strategy is Strategy.RECREATE:
            yield f"  {move.service} cannot run twice: up to {span(move.downtime_s)} without it"


def summary(report: WaveReport, now: datetime) -> list[str]:
    """One line with everything, then a line for each service that needs attention where they are many."""
    parts = [_moved(report, now)]
    for state in (State.STUCK, State.FELL_BACK, State.ABORTED):
        group = [ending for ending in report.fell if ending.state is state]
        if group:
            parts.append(_group(f"{len(group)} {_WORDS[state]}", group))
    if report.stale:
        parts.append(_group(f"{len(report.stale)} left for the next plan", report.stale))
    under_way = sum(n for state, n in report.counts.items() if state in IN_FLIGHT)
    if under_way:
        parts.append(f"{under_way} under way")
    planned = report.counts.get(State.PLANNED, 0)
    if planned:
        parts.append(f"{planned} not begun" + (f": {'; '.join(report.waiting)}" if report.waiting else ""))
    parts += [f"{service}: {by}" for service, by in report.lost.items()]
    head = f"{report.wave}{' has ended' if report.again else ''}: " + " · ".join(part for part in parts if part)
    listed = (*report.fell, *report.stale)
    lines = [head]
    if len(listed) > 1:
        lines += [_line(ending) for ending in listed[:MOST]]
    if len(listed) > MOST:
        lines.append(f"  and {len(listed) - MOST} more: rollout status {report.wave}")
    return [*lines, *_pinned(report)]


def _pinned(report: WaveReport) -> Iterator[str]:
    """Who of the tier stays by their owner's wish: counted aloud, a few with the reason."""
    if report.pinned:
        count = len(report.pinned)
        yield f"{count} {'service' if count == 1 else 'services'} of {report.tier} on legacy by a pin:"
        yield from (f"  {service}: {told}" for service, told in list(report.pinned.items())[:MOST])
    if len(report.pinned) > MOST:
        yield f"  and {len(report.pinned) - MOST} more: rollout service list --tier {report.tier}"


def interrupted(report: WaveReport) -> str:
    """What happens next with a wave whose driver was interrupted."""
    wave = report.wave
    if not report.begun:
        return f"interrupted before {wave} began, nothing was changed; go on: rollout execute {wave}"
    saved = "interrupted, everything is saved and keeps serving"
    if report.scheduler:
        return f"{saved}; the scheduler goes on with {wave} within {TAKEN_UP_S} s: rollout pause {wave} halts it"
    return f"{saved}; no scheduler runs, so nobody goes on with {wave} until: rollout execute {wave}"


def stuck(report: WaveReport, *, tended: bool) -> str:
    """What becomes of moves of which neither side came up, and what a person can do; `tended`: by a scheduler."""
    names = [ending.service for ending in report.fell if ending.state is State.STUCK]
    verb = "is" if len(names) == 1 else "are"
    more = ", …" if len(names) > MOST else ""
    goes_on = "the scheduler tries legacy again and again" if tended else "nobody tries legacy again before: rollout up"
    then = f"rollout revert {' '.join(names[:MOST])}"
    return f"{', '.join(names[:MOST])}{more} {verb} stuck; {goes_on}; once the cause is gone, at once: {then}"


def _line(ending: Ending) -> str:
    return f"  {ending.service}  {ending.state.replace('_', ' ')}" + (f": {ending.reason}" if ending.reason else "")


def _moved(report: WaveReport, now: datetime) -> str:
    if not report.moved:
        return "nothing has moved" if report.counts else "nothing has begun"
    finished = report.moved - report.warm
    told = []
    if report.warm and report.warm_until:
        told.append(f"{report.warm} warm, legacy kept until {since(report.warm_until, now)}")
    if finished:
        told.append(f"{finished} finished")
    return ", ".join(told)


def _group(text: str, endings: Sequence[Ending]) -> str:
    if len(endings) > 1:
        return text
    only = endings[0]
    return f"{text}: {only.service}" + (f": {only.reason}" if only.reason else "")
