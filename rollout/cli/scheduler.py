"""`rollout scheduler`."""

import signal
import threading
from typing import Annotated

import typer

from rollout.cli.console import say
from rollout.wiring.schedule import loop

app = typer.Typer(add_completion=False)


@app.command()
def scheduler(
    *,
    once: Annotated[bool, typer.Option("--once", help="Look once, drive what is due, and end.")] = False,
    beside: Annotated[bool, typer.Option("--beside", help="Although another one runs: they share the work.")] = False,
) -> None:
    """Begin what is scheduled, finish what is warm, fire deadlines, drive what nobody drives. `rollout up` keeps one running."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with loop(say, stop, once=once, beside=beside) as looking:
        if once:
            looking.once()
        else:
            say("the scheduler runs; Ctrl-C ends it")
            looking.run(stop)
