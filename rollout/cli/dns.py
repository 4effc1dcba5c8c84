"""`rollout dns` (hidden): the names server that the host part keeps."""

from pathlib import Path
from typing import Annotated

import typer

from rollout.errors import BrokenError
from rollout.host.rooms import Rooms
from rollout.network.dns import LOOPBACK, serve

app = typer.Typer(add_completion=False)


@app.command()
def dns(
    *,
    names: Annotated[str, typer.Option(help="The folder with one file per name.")],
    port: Annotated[int, typer.Option(help="Port on loopback, UDP and TCP.")],
    rooms: Annotated[Path | None, typer.Option(help="The folder with one file per room.")] = None,
) -> None:
    """Answer the names of the private network until SIGTERM."""
    try:
        serve(names, port, Rooms(rooms) if rooms else None)
    except OSError as error:
        raise BrokenError(f"cannot answer names on {LOOPBACK}:{port}: {error.strerror}", then="rollout up") from error
