"""How a running wave is told: one line per transition in a pipe, JSON Lines, or a live view in a terminal."""

import json
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

from rich.text import Text

from rollout.cli import board
from rollout.cli.console import FORMAT_VERSION, nobody_reads, say
from rollout.cli.live_view import act_text
from rollout.cli.screen import EVERY_S, JOIN_S, Look, is_live, screen
from rollout.cli.signals import STOPPING
from rollout.cli.when import since
from rollout.errors import RolloutError
from rollout.executor.world import never
from rollout.model.fleet import RuntimeName
from rollout.model.move import Entry, Move
from rollout.model.plain import to_plain
from rollout.operations.transitions import Transition, Transitions, words
from rollout.store.watched import Act
from rollout.wiring import actor

MOST = 3
Acts = Callable[[int | None], tuple[Sequence[Act], int]]
"""What people did after a number (None: from now on), and the number to go on from."""


class Ticker:
    """Fulfils World.tell. `follow` names the rows that are there already; `quiet`: transitions are not told.

    `stop`: whether this command was asked to end.
    """

    def __init__(self, *, as_json: bool, quiet: bool = False, stop: Callable[[], bool] = never) -> None:
        self.as_json = as_json
        self._quiet = quiet
        self._stop = stop
        self._transitions = Transitions()
        self._viewed = False
        self._said: list[str] = []

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
        elif not self._viewed:
            _write(line(transition).plain)

    def say(self, text: str) -> None:
        """One line about the run as a whole: to stderr, or an event."""
        if self.as_json:
            self.event("said", {"text": text})
        elif self._viewed:
            self._said.append(text)
        else:
            say(text)

    def event(self, kind: str, data: dict[str, object]) -> None:
        """One line of JSON Lines."""
        document = {"format_version": FORMAT_VERSION, "event": kind, **data}
        _write(json.dumps(document, ensure_ascii=False, default=str))

    @contextmanager
    def live(self, look: Look, acts: Acts) -> Iterator[None]:
        """Until the block ends: in a terminal a live view, elsewhere a line for each transition and for what people do."""
        if self.as_json or not is_live():
            with _heard(acts, self._act):
                yield
            return
        self._viewed = True
        try:
            with screen(look, self._last_said):
                yield
        finally:
            self._viewed = False
            for text in self._said:
                say(text)
            self._said.clear()

    def _last_said(self) -> Sequence[str]:
        stopping = (STOPPING,) if self._stop() else ()
        return (*stopping, *self._said[-MOST:])

    def _act(self, act: Act) -> None:
        if self.as_json:
            self.event("act", {"act": to_plain(act)})
        else:
            _write(f"{since(act.at, actor.now())} {act_text(act)}")


@contextmanager
def _heard(acts: Acts, told: Callable[[Act], None]) -> Iterator[None]:
    """What people do is told as they do it, until the block ends."""
    over = threading.Event()

    def listen(after: int) -> None:
        while True:
            ended = over.wait(EVERY_S)
            with suppress(RolloutError, OSError):
                found, after = acts(after)
                for act in found:
                    told(act)
            if ended:
                return

    listener = threading.Thread(target=listen, args=(acts(None)[1],), name="acts", daemon=True)
    listener.start()
    try:
        yield
    finally:
        over.set()
        listener.join(JOIN_S)


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
    if transition.waits_for:
        waits = f"waits for {transition.waits_for}{board.limit(transition, transition.at)}"
        return Text(f"{since(transition.at, actor.now())} {transition.service}  {after}: {waits}")
    text = Text(f"{since(transition.at, actor.now())} {transition.service}  {before} → ")
    text.append(after, style=board.style(transition.state))
    if transition.reason:
        text.append(f": {transition.reason}")
    return text
