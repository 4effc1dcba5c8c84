"""`rollout down`: nothing of this home runs on this host."""

from typing import Annotated

import typer

from rollout.cli.console import ask, emit, say
from rollout.model.plain import to_plain
from rollout.operations.updown import Down
from rollout.wiring.home import find
from rollout.wiring.host import down as bring_down
from rollout.wiring.host import what_is_up

app = typer.Typer(add_completion=False)
SHOWN = 20


@app.command()
def down(
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """End everything that runs for this home. Nothing is forgotten: `rollout up` brings it all back."""
    home = find()
    ending = what_is_up(home)
    if not ending.nothing and not json:
        _show(ending)
    if ending.services:
        ask(f"Stop {len(ending.services)} service{'s' * (len(ending.services) != 1)}?", yes=yes)
    ended = bring_down(home)
    if json:
        emit({"home": str(home.path), **to_plain(ended)})
    else:
        say("nothing ran" if ended.nothing else "everything is down; rollout up brings it back")


def _show(ending: Down) -> None:
    for service, count in ending.services[:SHOWN]:
        print(f"{service}  {count} instance{'s' if count != 1 else ''}")
    if len(ending.services) > SHOWN:
        print(f"… and {len(ending.services) - SHOWN} more services")
    if ending.strays:
        print(f"{ending.strays} more instances, of which the host part has lost its records")
    if ending.kept:
        say("and what keeps them: " + ", ".join(ending.kept))
