"""The status as lines of text: what needs a person first, then failures, waves, and what moves."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from rich.text import Text

from rollout.cli import pin_text
from rollout.cli.when import since, span
from rollout.executor.ports import Control
from rollout.host.known import Note
from rollout.model.fleet import RuntimeName
from rollout.model.schedule import Run
from rollout.model.state import State
from rollout.operations.hours import local, until
from rollout.operations.schedule import Due
from rollout.operations.status import Driver, Item, Status, Undriven, WaveLine
from rollout.operations.transitions import Transition
from rollout.store.progress import NOWHERE
from rollout.store.waves import ENDED

MOST = 20
ENDED_MOST = 5
_STYLE = {
    State.STUCK: "bold red",
    State.FELL_BACK: "red",
    State.FALLING_BACK: "yellow",
    State.WARM: "green",
    State.FINISHED: "green",
}
_OVER = frozenset({"superseded", "expired"})


def style(state: State) -> str:
    """How a state is coloured; the word stands beside it, always."""
    return _STYLE.get(state, "")


def lines(status: Status, *, most: int = MOST) -> Iterator[Text]:
    """Line by line; at most `most` failures and `most` moving services, the rest counted."""
    for undriven in status.undriven:
        yield Text(nobody(undriven, status), style="bold red")
    yield _head(status)
    if status.down and any(status.services.get(runtime) for runtime in RuntimeName):
        yield Text("the host part does not run: nothing of this home serves; next: rollout up", style="bold red")
    for note in status.led_back:
        yield Text(_led_back(note, status), style="yellow")
    for run in status.missed:
        yield Text(_missed(run), style="yellow")
    for control in status.halted:
        yield Text(_halt(control, status), style="yellow")
    if status.failures:
        yield Text("failed", style="bold")
        yield from _listed(status.failures, status, most)
    yield from _waves([wave for wave in status.waves if wave.state not in _OVER], most)
    if status.next_run:
        yield Text(_next_run(status.next_run, status))
    if status.items:
        yield Text("moving", style="bold")
        yield from _listed(status.items, status, most)
    yield from pin_text.lines(status)
    yield Text(services(status))


def nobody(undriven: Undriven, status: Status) -> str:
    """`nobody drives wave-3 since 02:14, 5 moves at 50 %; next: rollout execute wave-3`."""
    verb = "finishes" if undriven.finishing_only else "drives"
    weights = sorted(undriven.weights.items(), reverse=True)
    moves = ", ".join(f"{count} {'move' if count == 1 else 'moves'} at {weight} %" for weight, count in weights)
    told = f", {moves}" if moves else ""
    return f"nobody {verb} {undriven.wave} since {since(undriven.since, status.at)}{told}; next: {undriven.then}"


def _head(status: Status) -> Text:
    drivers = "; ".join(_driver(d) for d in status.drivers) or "nobody drives"
    drivers += "; a scheduler runs" if status.scheduler else ""
    return Text(f"home {status.home} · policy {status.policy} · {drivers}")


def _driver(driver: Driver) -> str:
    return f"{driver.user} drives {driver.subject} (process {driver.pid} on {driver.host}: {driver.doing})"


def _halt(control: Control, status: Status) -> str:
    what = "everything" if control.subject == "*" else control.subject
    why = f": {control.reason}" if control.reason else ""
    named = "" if control.subject == "*" else f" {control.subject}"
    past = {"pause": "paused", "freeze": "frozen", "limit": f"limited to {control.value}"}[control.kind]
    then = {"pause": f"; next: rollout resume{named}"}.get(control.kind, "")
    return f"{what} {past} by {control.actor} since {since(control.at, status.at)}{why}{then}"


def _led_back(note: Note, status: Status) -> str:
    at = since(datetime.fromisoformat(note.at), status.at)
    told = f"{note.service} was led back to legacy without the store by {note.actor} at {at}"
    return f"{told}; no driver may act for it until the store knows; next: rollout up"


def _missed(run: Run) -> str:
    return f"wave-{run.wave} was due {local(run.window.start, 'UTC')} and did not begin: {run.note}; rollout schedule list"


def _next_run(due: Due, status: Status) -> str:
    alone = "" if status.scheduler else "; no scheduler runs, so it will not begin: rollout up"
    return f"next run: {due.wave} {until(due.window, due.zone)}{alone}"


def _listed(items: Sequence[Item], status: Status, most: int) -> Iterator[Text]:
    shown = items[:most]
    width = max(len(item.service) for item in shown)
    yield from (_item(item, status, width) for item in shown)
    if len(items) > most:
        yield Text(f"  and {len(items) - most} more")


def word(state: State) -> str:
    """The state as people read it."""
    return state.replace("_", " ")


def state_text(item: Item) -> str:
    """The state, the target's share of traffic, and which way it goes."""
    text = word(item.state)
    if item.state in {State.SHIFTING, State.FALLING_BACK, State.PROVING, State.BAKING}:
        text += f" {item.weight} %"
    return text + (" (back to legacy)" if item.target is RuntimeName.LEGACY else "")


def _item(item: Item, status: Status, width: int) -> Text:
    state = state_text(item)
    line = Text(f"  {item.service:<{width}}  ")
    line.append(state, style=style(item.state))
    line.append(f"  {item.wave}, since {since(item.since, status.at)} ({span((status.at - item.since).total_seconds())})")
    if item.waits_for:
        line.append(f", waits for {item.waits_for}{limit(item, status.at)}")
    elif item.state is State.WARM and item.deadline:
        line.append(f", legacy kept until {since(item.deadline, status.at)}")
    if item.reason:
        line.append(f": {item.reason}")
    return line


def limit(item: Item | Transition, now: datetime) -> str:
    """`, at most until 14:05:00, then …`: how long what it waits for can last; empty where nothing limits it."""
    return f", at most until {since(item.waits_until, now)}, then {item.then}" if item.waits_until else ""


def _waves(waves: Sequence[WaveLine], most: int) -> Iterator[Text]:
    """Those that ended last, and those that have not ended, from the first on; the others counted."""
    ended = [wave for wave in waves if wave.state == ENDED]
    others = [wave for wave in waves if wave.state != ENDED]
    names = {wave.name for wave in (*ended[-ENDED_MOST:], *others[:most])}
    shown = [wave for wave in waves if wave.name in names]
    if shown:
        yield Text("waves", style="bold")
    if len(ended) > ENDED_MOST:
        earlier = ended[:-ENDED_MOST]
        moved = sum(wave.moved for wave in earlier)
        yield Text(f"  {len(earlier)} earlier ones have ended: {moved} of {sum(w.size for w in earlier)} moved")
    yield from (_wave(wave, shown) for wave in shown)
    if len(others) > most:
        yield Text(f"  and {len(others) - most} more, not begun")


def _wave(wave: WaveLine, waves: Sequence[WaveLine]) -> Text:
    width = max(len(w.name) for w in waves)
    tiers = max(len(str(w.tier or "")) for w in waves)
    states = max(len(w.state) for w in waves)
    detail = [f"{wave.moved} of {wave.size} moved"]
    detail += [f"{count} {state.replace('_', ' ')}" for state, count in wave.counts.items() if state not in _MOVED_OR_SO]
    return Text(f"  {wave.name:<{width}}  {wave.tier or '':<{tiers}}  {wave.state:<{states}}  {', '.join(detail)}")


_MOVED_OR_SO = frozenset({State.WARM, State.FINISHING, State.FINISHED})


def services(status: Status) -> str:
    """How many services run where, and how many are blocked or pinned."""
    words = {NOWHERE: "not running"}
    shown = {place: count for place, count in status.services.items() if count or place in set(RuntimeName)}
    told = [f"{count} {words.get(place, f'on {place}')}" for place, count in shown.items()]
    told += [f"{count} {word}" for count, word in ((status.blocked, "blocked"), (status.pinned, "pinned")) if count]
    return f"services: {', '.join(told)}" + ("; the runtime setting is written off" if status.written_off else "")
