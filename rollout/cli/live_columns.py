"""One service in one line: what stands in columns, as wide as the window allows, and what it waits for."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from rich.cells import cell_len
from rich.text import Text

from rollout.cli import board
from rollout.cli.glyphs import UNICODE, Glyphs
from rollout.cli.when import since, span
from rollout.model.fleet import RuntimeName
from rollout.model.state import State
from rollout.operations.status import Item

WHAT_IT_WAITS_FOR = {
    State.PUBLISHING: "its release to be on the host",
    State.LAUNCHING: "{target} to start",
    State.GAP: "{target} to start: nothing serves meanwhile",
    State.PROVING: "{target} to be proven healthy",
    State.SHIFTING: "this share of traffic to be watched",
    State.BAKING: "full weight to be watched",
    State.FALLING_BACK: "{source} to take over again",
    State.FINISHING: "{source} to be drained and stopped",
}
SHORT, NARROW = 14, 60
"""Windows with fewer lines, or columns, are told less."""
TITLE = ("service", "state", "for", "left", "waits for")


@dataclass(frozen=True, slots=True)
class Window:
    """How much room there is, and what can be shown in it."""

    width: int = 80
    height: int = 24
    glyphs: Glyphs = UNICODE

    @property
    def short(self) -> bool:
        """Too few lines for everything."""
        return self.height < SHORT

    @property
    def narrow(self) -> bool:
        """Too few columns for every column."""
        return self.width < NARROW


@dataclass(frozen=True, slots=True)
class Columns:
    """The widths of what stands in columns; what a service waits for gets the rest."""

    window: Window
    service: int
    state: int
    lasted: int
    left: int

    @classmethod
    def of(cls, items: Sequence[Item], window: Window, now: datetime) -> "Columns":
        """As wide as these items need, and as the window allows."""
        service = max((cell_len(item.service) for item in items), default=0)
        state = max((cell_len(_state(item)) for item in items), default=0)
        left = 0 if window.narrow else max((cell_len(_left(item)) for item in items), default=0)
        most = max(10, window.width // (2 if window.narrow else 3))
        lasted = max((len(_lasted(item, now)) for item in items), default=0)
        return cls(window, min(max(service, 7), most), max(state, 5), max(lasted, 3), max(left, 4) if left else 0)

    def title(self) -> Text:
        """The heads of the columns."""
        service, state, lasted, left, waits = TITLE
        return Text(self._row(service, state, lasted, left) + waits, style="dim")

    def line(self, item: Item, now: datetime) -> Text:
        """The item in one line."""
        text = Text(self._start(item, now))
        text.append(self.window.glyphs.safe(_why(item, now)))
        text.stylize(board.style(item.state), 2 + self.service, len(text) if _is_failure(item) else 4 + self.service + self.state)
        return text

    def told(self, item: Item, now: datetime) -> list[Text]:
        """The item, with its whole reason below it where that does not fit beside."""
        line = self.line(item, now)
        if cell_len(line.plain) <= self.window.width:
            return [line]
        below = self.window.glyphs.wrap(_why(item, now), self.window.width - 6, 3)
        first = Text(self._start(item, now).rstrip(), style=board.style(item.state))
        return [first, *(Text(f"      {text}") for text in below)]

    def _start(self, item: Item, now: datetime) -> str:
        return self._row(item.service, _state(item), _lasted(item, now), _left(item))

    def _row(self, service: str, state: str, lasted: str, left: str) -> str:
        fill = self.window.glyphs.fill
        name = self.window.glyphs.middle(service, self.service)
        parts = [fill(name, self.service), fill(state, self.state)]
        parts += [] if self.window.narrow else [fill(lasted, self.lasted)]
        parts += [fill(left, self.left)] if self.left else []
        return "  " + "  ".join(parts) + "  "


def _is_failure(item: Item) -> bool:
    return item.state in {State.STUCK, State.FELL_BACK}


def _state(item: Item) -> str:
    return board.state_text(item)


def _lasted(item: Item, now: datetime) -> str:
    return span((now - item.since).total_seconds())


def _left(item: Item) -> str:
    if item.eta is None or item.eta.seconds_left is None:
        return "?" if item.eta else ""
    return span(item.eta.seconds_left)


def _why(item: Item, now: datetime) -> str:
    """What it waits for, and why."""
    if _is_failure(item):
        return item.reason
    if item.state is State.WARM and item.deadline and not item.waits_for:
        return f"legacy kept until {since(item.deadline, now)}" if item.deadline > now else "legacy to be drained and stopped"
    source = RuntimeName.V2 if item.target is RuntimeName.LEGACY else RuntimeName.LEGACY
    usual = WHAT_IT_WAITS_FOR.get(item.state, "").format(target=item.target, source=source)
    waits = item.waits_for + board.limit(item, now) if item.waits_for else usual
    return ": ".join(part for part in (waits, item.reason) if part)
