"""`rollout doctor`."""

from typing import Annotated

import typer
from rich.table import Column, Table
from rich.text import Text

from rollout.cli import console
from rollout.errors import BrokenError
from rollout.model.plain import to_plain
from rollout.operations.doctor import Finding, Standing, broken
from rollout.wiring.doctor import findings

app = typer.Typer(add_completion=False)
STYLES = {Standing.GOOD: "green", Standing.MISSING: "yellow", Standing.BAD: "bold red"}


@app.command()
def doctor(*, as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False) -> None:
    """What works on this machine, what is missing, and what would add it. Starts and changes nothing.

    Exit 0 when the main job works here, else 1.
    """
    found = list(findings())
    ill = broken(found)
    if as_json:
        console.emit({"works": not ill, "findings": [to_plain(finding) for finding in found]})
    else:
        console.out().print(_table(found))
    if ill:
        told = ", ".join(f"{finding.name} ({finding.told})" for finding in ill)
        raise BrokenError(f"the main job does not work here: {told}", then=ill[0].then)


def _table(found: list[Finding]) -> Table:
    columns = (Column(no_wrap=True), Column(no_wrap=True), Column(overflow="fold"))
    table = Table(*columns, box=None, show_header=False, pad_edge=False)
    for finding in found:
        table.add_row(finding.name, Text(finding.standing, style=STYLES[finding.standing]), Text(finding.told))
        if finding.then:
            table.add_row("", "", Text(f"→ {finding.then}", style="dim"))
    return table
