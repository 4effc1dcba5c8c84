"""`rollout host-part` (hidden): the host part itself, kept by its shim."""

from pathlib import Path
from typing import Annotated

import typer

from rollout.wiring.host_desk import HostWorld

app = typer.Typer(add_completion=False)


@app.command()
def host_part(*, home: Annotated[Path, typer.Option(envvar="ROLLOUT_HOME", help="The home.", exists=True)]) -> None:
    """Keep instances, edge and names of a home until SIGTERM."""
    HostWorld(home.resolve()).serve()
