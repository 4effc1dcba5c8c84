"""A bar on stderr for what takes longer than a second; only where a person looks at it, and gone when it is done."""

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from rollout.cli.drawable import can_be_drawn_on

AFTER_S = 1.0
Step = Callable[[], None]


def nothing() -> None:
    """One more is done, and nobody looks."""


@contextmanager
def working(text: str, total: int | None = None) -> Iterator[Step]:
    """A bar is shown from the first second on until the block ends, whatever ends it. Call what you get once per thing done.

    Without a total it tells that something happens, and for how long. Lines that are printed meanwhile stand above it.
    """
    if not can_be_drawn_on(sys.stderr):
        yield nothing
        return
    from rich.console import Console  # noqa: PLC0415 (a bar is drawn for people only)
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn  # noqa: PLC0415

    counted = [MofNCompleteColumn()] if total is not None else []
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), *counted, TimeElapsedColumn())
    console = Console(stderr=True, highlight=False)
    bar = Progress(*columns, console=console, transient=True, redirect_stdout=sys.stdout.isatty())
    task = bar.add_task(text, total=total)
    lock, over = threading.Lock(), threading.Event()

    def begin() -> None:
        with lock:
            if not over.is_set():
                bar.start()

    timer = threading.Timer(AFTER_S, begin)
    timer.daemon = True
    timer.start()
    with _ended_cleanly():
        try:
            yield lambda: bar.advance(task)
        finally:
            timer.cancel()
            with lock:
                over.set()
                if bar.live.is_started:
                    bar.stop()


@contextmanager
def _ended_cleanly() -> Iterator[None]:
    """SIGTERM ends the block as SystemExit where it would end the process at once: the cursor must come back."""

    def end(number: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    ours = threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    if ours:
        signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        if ours:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
