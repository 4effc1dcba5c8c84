"""`rollout status`."""

from typing import Annotated

import typer

from rollout.cli import board
from rollout.cli.console import emit, lay, out
from rollout.cli.watch import watch as watch_status
from rollout.model.plain import to_plain
from rollout.wiring.status import Board

app = typer.Typer(add_completion=False)


@app.command()
def status(
    wave: Annotated[str | None, typer.Argument(help="One wave, like wave-3; all without it.")] = None,
    *,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Go on until Ctrl-C.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document; with --watch JSON Lines.")] = False,
) -> None:
    """Where everything stands: who drives, what failed, what each service waits for and since when."""
    reading = Board()
    try:
        if watch:
            watch_status(reading, wave, as_json=as_json)
        elif as_json:
            emit({"status": to_plain(reading.status(wave))})
        else:
            screen = out()
            for line in board.lines(reading.status(wave)):
                lay(screen, line)
    finally:
        reading.close()
