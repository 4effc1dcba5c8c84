"""The live view: one status in a window of any size. What needs a person comes first, the rest is counted, nothing scrolls off.

`drawn` is a pure function of the status, the size and what the terminal can show; whoever has a Status can show it.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime

from rich.cells import cell_len
from rich.text import Text

from rollout.cli import board
from rollout.cli.live_columns import Columns, Window
from rollout.cli.when import since, span
from rollout.executor.ports import Control
from rollout.model.state import IN_FLIGHT, State
from rollout.operations.eta import Eta
from rollout.operations.status import Status, WaveLine
from rollout.store.watched import Act

UNDER_WAY = frozenset({"running", "stopped"})
STANDING = frozenset({"paused", "froze", "limited"})
"""Acts that are told as what halts, for as long as they do."""
NOT_MOVED = (State.PLANNED, State.SKIPPED, State.ABORTED, State.FELL_BACK, State.STUCK)
COUNTED = (*NOT_MOVED[:1], *sorted(IN_FLIGHT), State.WARM, State.FINISHING, State.FINISHED, *NOT_MOVED[1:])


def drawn(status: Status, window: Window, *, said: Sequence[str] = ()) -> list[Text]:
    """At most `window.height` lines of at most `window.width` cells. `said`: what the command itself has to say."""
    head = list(_heads(status, window))
    alerts = [*_alerts(status), *(Text(text) for text in said)]
    whole = alerts if window.short else [part for line in alerts for part in _wrapped(line, window)]
    head += _cut(whole, 2 if window.short else 6)
    foot = list(_foot(status))[: 1 if window.short else 4]
    room = max(0, window.height - len(head) - len(foot))
    failed = _failed(status, window, room)
    lines = [*head, *failed, *_moving(status, window, room - len(failed)), *foot]
    return [_fitted(line, window) for line in lines[: window.height]]


def eta_text(eta: Eta | None) -> str:
    """`about 12 min`, `at most 43 min`, `unknown: paused`; nothing where there is nothing to wait for."""
    if eta is None:
        return ""
    if eta.seconds_left is None:
        return f"unknown: {eta.unsure}"
    return f"{'at most' if eta.bound else 'about'} {span(eta.seconds_left)}"


def who(name: str, host: str) -> str:
    """`anna@web-1`."""
    return f"{name}@{host}" if host else name


def act_text(act: Act, now: datetime | None = None) -> str:
    """`wave-3 paused by anna@web-1 3 s ago: reason`; without the age where no time is given."""
    subject = "everything" if act.subject == "*" else act.subject
    age = f" {span((now - act.at).total_seconds())} ago" if now else ""
    return f"{subject} {act.what} by {who(act.who, act.host)}{age}" + (f": {act.why}" if act.why else "")


def _fitted(line: Text, window: Window) -> Text:
    """The line in the window's width, its colours kept."""
    plain = window.glyphs.fit(line.plain, window.width)
    if plain == line.plain:
        return line
    same = len(plain) == len(line.plain) or window.glyphs.unicode
    return Text(plain, style=line.style, spans=[s for s in line.spans if s.start < len(plain)] if same else [])


def _wrapped(line: Text, window: Window) -> list[Text]:
    """In two lines where one is too short: it may end with the command to type next."""
    if cell_len(line.plain) <= window.width:
        return [line]
    first, *rest = window.glyphs.wrap(line.plain, window.width - 2, 2)
    return [Text(first, style=line.style), *(Text(f"  {text}", style=line.style) for text in rest)]


def _cut(lines: list[Text], most: int) -> list[Text]:
    return lines if len(lines) <= most else [*lines[: most - 1], Text(f"and {len(lines) - most + 1} more notes: rollout status")]


def _heads(status: Status, window: Window) -> Iterator[Text]:
    """A line for each wave under way: how far it is, and how long it will take."""
    waves = [wave for wave in status.waves if wave.state in UNDER_WAY] or (list(status.waves) if len(status.waves) == 1 else [])
    most = 1 if window.short else 3
    yield from (_head(wave, window) for wave in waves[:most])
    if len(waves) > most:
        yield Text(f"and {len(waves) - most} more waves under way")
    if not waves:
        yield Text(_nothing_moves(status), style="bold")


def _nothing_moves(status: Status) -> str:
    if not status.waves:
        return "nothing has been planned; next: rollout plan"
    planned = [wave for wave in status.waves if wave.state == "planned"]
    if planned:
        return f"no wave is under way; next: rollout execute {planned[0].name}"
    return f"no wave is under way; {len(status.waves)} have ended"


def _head(wave: WaveLine, window: Window) -> Text:
    failed = wave.fell_back + wave.counts.get(State.STUCK, 0)
    name = f"{wave.name} {wave.tier or ''}".strip() + ("" if wave.state == "running" else f" {wave.state}")
    told = [f"{wave.moved} of {wave.size} moved", f"{failed} failed" if failed else "", eta_text(wave.eta)]
    facts = ", ".join(part for part in told if part)
    free = window.width - cell_len(name) - cell_len(facts) - 4
    if free < 6:
        facts = ", ".join(part for part in (f"{wave.moved}/{wave.size}", *told[1:]) if part)
        return Text(f"{name}  {facts}", style="bold")
    bar = window.glyphs.bar(wave.moved, wave.size, min(30, free))
    return Text.assemble((f"{name}  ", "bold"), (bar, "green"), (f"  {facts}", "bold"))


def _alerts(status: Status) -> Iterator[Text]:
    """What a person should know before everything else."""
    for undriven in status.undriven:
        yield Text(board.nobody(undriven, status), style="bold red")
    for control in status.halted:
        yield Text(_halted(control, status.at), style="yellow")
    newest = {act.subject: act for act in status.acts}
    for act in sorted(newest.values(), key=lambda act: -act.number):
        if act.what not in STANDING:
            yield Text(act_text(act, status.at), style="yellow")


def _halted(control: Control, now: datetime) -> str:
    """`wave-3 paused by anna@web-1 3 s ago: reason; next: rollout resume wave-3`."""
    past = {"pause": "paused", "freeze": "frozen", "limit": f"limited to {control.value}"}[control.kind]
    subject, named = control.subject, "" if control.subject == "*" else f" {control.subject}"
    actor, host = control.actor, control.host
    act = Act(number=control.id, at=control.at, who=actor, host=host, what=past, subject=subject, why=control.reason)
    then = {"pause": f"; next: rollout resume{named}"}.get(control.kind, "")
    return act_text(act, now) + then


# services


def _failed(status: Status, window: Window, room: int) -> list[Text]:
    """The failures: all of them where there is room, with the whole reason where there is more; else the rest is counted."""
    items = status.failures
    if not items or room <= 0:
        return []
    others = min(len(status.items), max(1, room // 3))
    most = max(1, room - others)
    columns = Columns.of(items, window, status.at)
    told = [columns.told(item, status.at) for item in items]
    if sum(map(len, told)) <= most:
        return [line for lines in told for line in lines]
    if len(items) <= most:
        return [columns.line(item, status.at) for item in items]
    rest = Counter(item.state for item in items[most - 1 :])
    more = Text(f"  and {sum(rest.values())} more: {_counted(rest)}", style="red")
    return [*(columns.line(item, status.at) for item in items[: most - 1]), more]


def _moving(status: Status, window: Window, room: int) -> list[Text]:
    """What is in flight, then what is warm, as far as there is room; the rest is counted by state."""
    counts = _in_sight(status)
    if room <= 0 or not counts:
        return []
    columns = Columns.of(status.items, window, status.at)
    title = [] if window.short or window.narrow or room < 4 else [columns.title()]
    free = room - len(title)
    shown = status.items[: free if sum(counts.values()) <= free else free - 1]
    rest = counts - Counter(item.state for item in shown)
    lines = [*(title if shown else []), *(columns.line(item, status.at) for item in shown)]
    return [*lines, Text(f"  and {sum(rest.values())} more: {_counted(rest)}{_kept(status, rest)}")] if rest else lines


def _in_sight(status: Status) -> Counter[State]:
    """How many are in which state between begun and done: as the waves count them, or as they are listed."""
    counted: Counter[State] = Counter()
    for wave in status.waves:
        counted.update({state: n for state, n in wave.counts.items() if state in IN_FLIGHT | {State.WARM, State.FINISHING}})
    return counted | Counter(item.state for item in status.items)


def _kept(status: Status, rest: Counter[State]) -> str:
    ends = [item.deadline for item in status.items if item.state is State.WARM and item.deadline]
    return f"; legacy kept until {since(max(ends), status.at)}" if rest[State.WARM] and ends else ""


def _counted(counts: Counter[State]) -> str:
    return ", ".join(f"{counts[state]} {board.word(state)}" for state in COUNTED if counts[state])


# the last lines


def _foot(status: Status) -> Iterator[Text]:
    """What the rest adds up to."""
    counts: Counter[State] = Counter()
    shown = [wave for wave in status.waves if wave.state in UNDER_WAY or len(status.waves) == 1]
    for wave in shown:
        counts.update(wave.counts)
        counts[State.PLANNED] += max(0, wave.size - sum(wave.counts.values()))
    if counts:
        total = sum(counts.values())
        yield Text(f"{total} move{'s' if total != 1 else ''}: {_counted(counts)}")
    yield Text(board.services(status))
    others = Counter(wave.state for wave in status.waves if wave not in shown)
    if others:
        yield Text("other waves: " + ", ".join(f"{n} {state}" for state, n in sorted(others.items())))
    told = [f"{driver.user} drives {driver.subject} (process {driver.pid} on {driver.host})" for driver in status.drivers]
    told = [*(told or ["nobody drives"]), "a scheduler runs" if status.scheduler else ""]
    yield Text("; ".join(part for part in told if part), style="dim")
