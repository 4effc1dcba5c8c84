"""`rollout status`."""

import json
import sys
import time
from collections.abc import Callable
from typing import Annotated

import typer
from rich.live import Live

from rollout.cli import board
from rollout.cli.console import FORMAT_VERSION, emit, out
from rollout.model.plain import to_plain
from rollout.operations.status import Status
from rollout.wiring.status import Board

EVERY_S = 1.0
app = typer.Typer(add_completion=False)


@app.command()
def status(
    wave: Annotated[str | None, typer.Argument(help="One wave, like wave-3; all without it.")] = None,
    *,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Go on until Ctrl-C.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document; with --watch one line per change.")] = False,
) -> None:
    """Where everything stands: who drives, what failed, what each service waits for and since when."""
    reading = Board()
    try:
        if watch:
            _watch(lambda: reading.status(wave), as_json=as_json)
        elif as_json:
            emit({"status": to_plain(reading.status(wave))})
        else:
            out().print(board.drawn(reading.status(wave)))
    finally:
        reading.close()


def _watch(look: Callable[[], Status], *, as_json: bool) -> None:
    if sys.stdout.isatty() and not as_json:
        with Live(board.drawn(look()), console=out(), refresh_per_second=2) as live:
            while True:
                time.sleep(EVERY_S)
                live.update(board.drawn(look()))
    told = ""
    while True:
        present = look()
        text = _line(present) if as_json else "\n".join(line.plain for line in board.lines(present))
        if _steady(present) != told:
            told = _steady(present)
            sys.stdout.write(text + "\n" + ("" if as_json else "\n"))
            sys.stdout.flush()
        time.sleep(EVERY_S)


def _line(present: Status) -> str:
    return json.dumps({"format_version": FORMAT_VERSION, "status": to_plain(present)}, ensure_ascii=False)


def _steady(present: Status) -> str:
    """What tells a change: everything but the passing of time."""
    plain = to_plain(present)
    for driver in plain["drivers"]:
        driver.pop("heartbeat")
    plain.pop("at")
    for item in (*plain["items"], *plain["failures"]):
        item.pop("due")
    return json.dumps(plain, sort_keys=True)
