"""`rollout host-part` (hidden): the host part itself, kept by its shim."""

import typer

from rollout.wiring.home import find
from rollout.wiring.host_desk import HostWorld

app = typer.Typer()


@app.command()
def host_part() -> None:
    """Keep instances, edge and names of this home until SIGTERM."""
    HostWorld(find()).serve()
