"""How a running wave is told: one line per transition in a pipe, JSON Lines, or a live view in a terminal."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.live import Live
from rich.text import Text

from rollout.cli import board
from rollout.cli.console import FORMAT_VERSION, nobody_reads, out, say
from rollout.cli.when import since
from rollout.model.fleet import RuntimeName
from rollout.model.move import Entry, Move
from rollout.model.plain import to_plain
from rollout.operations.status import Status
from rollout.operations.transitions import Transition, Transitions, words
from rollout.wiring import actor

MOST = 12
Look = Callable[[], Status]


class Ticker:
    """Fulfils World.tell. `follow` names the rows that are there already; `quiet`: transitions are not told."""

    def __init__(self, *, as_json: bool, quiet: bool = False) -> None:
        self.as_json = as_json
        self._quiet = quiet
        self._transitions = Transitions()
        self._live: Live | None = None

    def follow(self, rows: list[Move]) -> None:
        """Transitions are told against these rows."""
        self._transitions = Transitions(rows)

    def tell(self, entry: Entry, row: Move) -> None:
        """One durable entry; what is no transition is not told."""
        transition = self._transitions.of(entry, row)
        if transition is None or self._quiet:
            return
        if self.as_json:
            self.event("transition", to_plain(transition))
        elif self._live is not None:
            self._live.console.print(line(transition))
        else:
            _write(line(transition).plain)

    def say(self, text: str) -> None:
        """One line about the run as a whole: to stderr, or an event."""
        if self.as_json:
            self.event("said", {"text": text})
        else:
            say(text)

    def event(self, kind: str, data: dict[str, object]) -> None:
        """One line of JSON Lines."""
        document = {"format_version": FORMAT_VERSION, "event": kind, **data}
        _write(json.dumps(document, ensure_ascii=False, default=str))

    @contextmanager
    def live(self, look: Look) -> Iterator[None]:
        """In a terminal, a live view below the lines until the block ends; elsewhere nothing more than lines."""
        if self.as_json or not sys.stdout.isatty():
            yield
            return
        view = Live(get_renderable=lambda: board.drawn(look(), most=MOST), console=out(), refresh_per_second=2, transient=True)
        with view as live:
            self._live = live
            try:
                yield
            finally:
                self._live = None


def _write(text: str) -> None:
    """One line to stdout. What drives a wave goes on when nobody reads any more: its way of telling is not its work."""
    try:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()
    except OSError:
        nobody_reads()


def line(transition: Transition) -> Text:
    """`14:02:03 shop/api  launching → proving`; with the date where it is far from now, as a simulation gets."""
    back = transition.target is RuntimeName.LEGACY
    before, after = words(transition.before, back=back), words(transition.after, back=back)
    text = Text(f"{since(transition.at, actor.now())} {transition.service}  {before} → ")
    text.append(after, style=board.style(transition.state))
    if transition.reason:
        text.append(f": {transition.reason}")
    return text
