"""How the demo is told: plain lines; in a terminal the live view while waves move, and what happened meanwhile below it after."""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace

from rich.console import Console

from rollout.cli.console import nobody_reads
from rollout.cli.demo_text import Line, lines, write
from rollout.cli.progress import working
from rollout.cli.screen import screen
from rollout.demo import events
from rollout.errors import RolloutError
from rollout.operations.status import Status
from rollout.wiring.status import Board

MOST = 3
AFTER_WAVES = (events.Finished, events.Compared, events.Kept, events.Closing, events.Closed)
TOLD = (events.Doing, events.Said, events.Ended)
LONG = (events.Doing, events.Closing)
"""From these on nothing is told for some seconds."""


class Telling:
    """Tells events to `target`; `viewed`: with the live view. `lost` is called when nobody can read any more."""

    def __init__(self, target: Console, *, viewed: bool, lost: Callable[[], None]) -> None:
        self._target = target
        self._live = viewed
        self._lost = lost
        self._shown = ExitStack()
        self._viewed = False
        self._later: list[Line] = []
        self._news: list[str] = []
        self._asked: list[str] = []
        self._special: dict[str, str] = {}

    def tell(self, event: events.Event, seconds: float) -> None:
        """The event is drawn, or will be when the live view is gone. To tell it is not the demo's work: it fails of nothing."""
        with self._read():
            self._before(event)
            drawn = lines(event, seconds, self._target.width)
            if self._viewed:
                self._later += [] if isinstance(event, events.Changed) else drawn
                self._hear(event)
                return
            self._shown.close()
            write(self._target, drawn)
            if self._live and isinstance(event, LONG):
                self._shown.enter_context(working("  that takes a moment"))

    def write(self, drawn: Sequence[Line]) -> None:
        """These lines."""
        with self._read():
            write(self._target, drawn)

    def end(self) -> None:
        """The terminal is as it was, and what was told in the live view stands in it."""
        with self._read():
            later, self._later, self._viewed = self._later, [], False
            self._shown.close()
            write(self._target, later)

    def _before(self, event: events.Event) -> None:
        """The live view comes with the first wave, and goes after the last."""
        if isinstance(event, events.Deployed):
            self._special[event.service] = event.fault or event.note
        elif isinstance(event, events.Repaired):
            self._special[event.service] = "repaired"
        elif isinstance(event, events.Asked):
            self._asked = [line.text for line in lines(event, 0, 0)]
        elif isinstance(event, events.Began) and self._live and not self._viewed:
            self._shown.close()
            self._viewed = self._view()
        elif isinstance(event, AFTER_WAVES):
            self.end()

    def _view(self) -> bool:
        """The live view of the demo's home has the terminal; not where the store cannot be read."""
        try:
            reading = Board()
        except RolloutError:
            return False
        self._shown.callback(reading.close)
        self._shown.enter_context(screen(lambda: _driven(reading.status()), self._newest))
        return True

    def _hear(self, event: events.Event) -> None:
        """What the live view tells beside what it shows. How a wave ended takes the place of how it began."""
        if isinstance(event, events.Ended):
            self._news = [text for text in self._news if not text.startswith(f"{event.wave} ")]
        self._news += news(event, self._special)

    def _newest(self) -> Sequence[str]:
        return (*self._asked, *self._news[-(MOST - len(self._asked)) :])

    @contextmanager
    def _read(self) -> Iterator[None]:
        """Where nobody reads any more, the demo ends."""
        try:
            yield
        except (OSError, SystemExit):  # SystemExit is how rich tells of a broken pipe
            nobody_reads()
            if self._target.stderr:
                sys.stderr = sys.stdout
            self._lost()


def _driven(status: Status) -> Status:
    """Nobody finishes what is warm until the demo does so itself, near its end: that is no alarm."""
    return replace(status, undriven=tuple(one for one in status.undriven if not one.finishing_only))


def news(event: events.Event, special: Mapping[str, str]) -> list[str]:
    """What the live view does not show by itself: what happens now, and why. `special`: what services have of their own."""
    if isinstance(event, events.Began):
        own = [f"{service} ({special[service]})" for service in event.services if special.get(service)]
        return [f"{event.wave} ({event.tier}) begins" + (f", with {', '.join(own)}" if own else "")]
    if isinstance(event, events.FellBack):
        why = f"; its v2 copy wrote: {event.lines[-1]}" if event.lines else f": {event.reason}"
        return [f"{event.service} fell back by itself{why}"]
    return [lines(event, 0, 0)[0].text.strip()] if isinstance(event, TOLD) else []
