"""`rollout doctor`."""

from collections.abc import Sequence
from typing import Annotated

import typer
from rich.table import Column, Table
from rich.text import Text

from rollout.cli import console
from rollout.errors import BrokenError, UsageError
from rollout.model.plain import to_plain
from rollout.operations.clean import Leftover
from rollout.operations.doctor import Finding, Standing, broken
from rollout.wiring.doctor import findings
from rollout.wiring.home import Home, find

app = typer.Typer(add_completion=False)
STYLES = {Standing.GOOD: "green", Standing.MISSING: "yellow", Standing.BAD: "bold red"}


@app.command()
def doctor(
    *,
    clean: Annotated[bool, typer.Option("--clean", help="List leftovers of this home, ask, and remove them.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="With --clean: do not ask.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document; removes only with --yes.")] = False,
) -> None:
    """What works on this machine, what is missing, and what would add it. Without --clean it starts and changes nothing.

    Exit 0 when the main job works here, else 1.
    """
    if clean:
        _clean(yes=yes, as_json=as_json)
        return
    if yes:
        raise UsageError("--yes is for --clean", then="rollout doctor --clean --yes")
    found = list(findings())
    ill = broken(found)
    if as_json:
        console.emit({"works": not ill, "findings": [to_plain(finding) for finding in found]})
    else:
        console.out().print(_table(found))
    if ill:
        told = ", ".join(f"{finding.name} ({finding.told})" for finding in ill)
        raise BrokenError(f"the main job does not work here: {told}", then=ill[0].then)


def _clean(*, yes: bool, as_json: bool) -> None:
    """What nothing wants is told, asked for and removed."""
    from rollout.wiring import clean  # noqa: PLC0415 (loads the store, which looking does without)

    home = find()
    clean.refuse(home)
    with clean.looked(home) as (found, silent):
        told = [one.leftover for one in found]
        if as_json and not yes:
            _emit(home, found=told, gone=(), silent=silent)
            return
        if not as_json:
            for one in told:
                console.tell(f"{one.kind}  {one.name}" + (f"  {one.told}" if one.told else ""))
            for trouble in silent:
                console.say(f"not looked at: {trouble}")
        if told:
            console.ask(f"Remove {len(told)} leftover{'s' * (len(told) != 1)}?", yes=yes)
        gone = clean.removed(found)
    if as_json:
        _emit(home, found=told, gone=gone, silent=silent)
    else:
        console.say(f"{len(gone)} removed" if gone else "nothing is left over")


def _emit(home: Home, *, found: Sequence[Leftover], gone: Sequence[Leftover], silent: Sequence[str]) -> None:
    """`found` is all that is or would be removed, `removed` what has been."""
    told = {"found": [to_plain(one) for one in found], "removed": [to_plain(one) for one in gone]}
    console.emit({"home": str(home.path), **told, "not_looked_at": list(silent)})


def _table(found: list[Finding]) -> Table:
    columns = (Column(no_wrap=True), Column(no_wrap=True), Column(overflow="fold"))
    table = Table(*columns, box=None, show_header=False, pad_edge=False)
    for finding in found:
        table.add_row(finding.name, Text(finding.standing, style=STYLES[finding.standing]), Text(finding.told))
        if finding.then:
            table.add_row("", "", Text(f"→ {finding.then}", style="dim"))
    return table
