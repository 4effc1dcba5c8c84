"""`rollout log`."""

from typing import Annotated

import typer
from rich.text import Text

from rollout.cli.console import emit, out
from rollout.cli.when import moment, parse_span
from rollout.model.plain import to_plain
from rollout.operations.transitions import words
from rollout.store.history import Happening
from rollout.wiring.status import Board

app = typer.Typer(add_completion=False)


@app.command()
def log(
    service: Annotated[str | None, typer.Argument(help="NAME or ENVIRONMENT/NAME; everything without it.")] = None,
    *,
    since: Annotated[str | None, typer.Option(help="How far back: 30m, 1h, 2d.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Who did what, and every transition, the newest last."""
    reading = Board()
    try:
        found = reading.log(since=parse_span(since) if since is not None else None, service=service)
    finally:
        reading.close()
    if as_json:
        emit({"log": [to_plain(happening) for happening in found]})
        return
    console = out()
    for happening in found:
        console.print(_line(happening))


def _what(happening: Happening) -> str:
    arrow, _, label = happening.what.partition("→ ")
    return happening.what if arrow else f"→ {words(label, back=happening.move.startswith('back-'))}"


def _line(happening: Happening) -> Text:
    line = Text(f"{moment(happening.at)}  {happening.subject}  ")
    line.append(_what(happening), style="bold")
    line.append(f"  by {happening.who}")
    if happening.why:
        line.append(f": {happening.why}")
    return line
