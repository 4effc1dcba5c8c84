"""`rollout store`."""

from typing import Annotated

import typer

from rollout.cli import main
from rollout.cli.console import emit, tell
from rollout.model.plain import to_plain
from rollout.wiring.store import unlock as unlock_lease

MOST = 2**62
WHICH = "The number of the lease; the refusal and rollout status name it."
app = typer.Typer(no_args_is_help=True, add_completion=False, help=main.help_line("store"))


@app.callback()
def _group() -> None:
    """Keeps `unlock` a command of its own."""


@app.command()
def unlock(
    number: Annotated[int, typer.Argument(help=WHICH, metavar="ID", min=1, max=MOST)],
    *,
    reason: Annotated[str, typer.Option("--reason", "-r", help="Why, for the audit.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Take a lease from a driver that is gone. A live one is refused: exit 6."""
    lease = unlock_lease(number, reason)
    if as_json:
        emit({"unlocked": to_plain(lease)})
    else:
        text = f"lease {lease.number} of {lease.holder.user} on {lease.subject} is gone; its driver can change nothing more"
        tell(text)
