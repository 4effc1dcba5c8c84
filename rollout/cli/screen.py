"""A live view that has the terminal to itself: drawn twice a second in the size that the window has, gone without a trace."""

import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from types import FrameType

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from rollout.cli.drawable import can_be_drawn_on
from rollout.cli.glyphs import glyphs
from rollout.cli.live_columns import Window
from rollout.cli.live_view import drawn
from rollout.errors import Exit, RolloutError
from rollout.operations.status import Status

EVERY_S = 0.5
JOIN_S = 5.0
Look = Callable[[], Status]
Said = Callable[[], Sequence[str]]


def nothing() -> Sequence[str]:
    """Nothing to say."""
    return ()


def is_live() -> bool:
    """Somebody looks at stdout, in a terminal that can be drawn on."""
    return can_be_drawn_on(sys.stdout)


def picture(console: Console, status: Status, said: Sequence[str] = ()) -> RenderableType:
    """The view in the console's present size."""
    size = console.size
    return Group(*drawn(status, Window(width=size.width, height=size.height, glyphs=glyphs()), said=said))


@contextmanager
def screen(look: Look, said: Said = nothing) -> Iterator[None]:
    """The view is shown until the block ends, whatever ends it; then the terminal is as it was before.

    `look` is called in a thread. Where it fails, the view says so and goes on.
    """
    console = Console(highlight=False)
    over = threading.Event()
    with Live(console=console, screen=True, auto_refresh=False, redirect_stdout=False, redirect_stderr=False) as live:

        def paint() -> None:
            with suppress(OSError):  # the terminal is gone: nobody sees it, and what is done goes on
                while not over.is_set():
                    live.update(_seen(console, look, said), refresh=True)
                    over.wait(EVERY_S)

        painter = threading.Thread(target=paint, name="live view", daemon=True)
        painter.start()
        try:
            yield
        finally:
            over.set()
            painter.join(JOIN_S)


def _seen(console: Console, look: Look, said: Said) -> RenderableType:
    try:
        return picture(console, look(), said())
    except RolloutError as error:
        return Group(*(Text(text) for text in (f"cannot look: {error.what}", error.state, *said())))
    except Exception as error:  # noqa: BLE001 (what is only shown must not end what is done)
        return Group(*(Text(text) for text in (f"cannot look: {type(error).__name__}: {error}", *said())))


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Ctrl-C ends the block as SystemExit 130, SIGTERM and SIGHUP as 143, so that what it opened is closed."""

    def end(number: int, _frame: FrameType | None) -> None:
        raise SystemExit(int(Exit.INTERRUPTED if number == signal.SIGINT else Exit.TERMINATED))

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
