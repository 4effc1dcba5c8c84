"""`rollout environment list | set`."""

from typing import Annotated

import typer

from rollout.cli import main, plan_text
from rollout.cli.console import emit, out, say
from rollout.model.plain import to_plain
from rollout.operations.environment import Egress, Line
from rollout.wiring import environment as wiring

app = typer.Typer(no_args_is_help=True, add_completion=False, help=main.help_line("environment"))
Json = Annotated[bool, typer.Option("--json", help="One JSON document.")]
MEANS = {Egress.OPEN: "its instances may reach the outside", Egress.CLOSED: "its instances reach each other and nobody else"}


@app.command("list")
def list_(*, as_json: Json = False) -> None:
    """Every environment: its services, its private network on this host, and whether it may reach the outside."""
    lines = wiring.lines()
    if as_json:
        emit({"environments": [to_plain(line) for line in lines]})
        return
    if not lines:
        say("no environment: it is there with its first service; next: rollout service add ENVIRONMENT/NAME")
        return
    header = ("environment", "services", "private network", "here", "egress")
    out().print(plan_text.table(header, [_row(line) for line in lines]))
    if why := wiring.lacking():
        say(f"no private network on this machine ({why}): containers share the host's own, and reach the outside whatever is set")


@app.command("set")
def set_(
    name: Annotated[str, typer.Argument(metavar="ENVIRONMENT", help="One that environment list names.")],
    *,
    egress: Annotated[Egress, typer.Option(help="open: instances may reach the outside.", case_sensitive=False)],
    as_json: Json = False,
) -> None:
    """Let the instances of an environment reach the outside, or not: those that run at once, and all to come.

    From outside nobody reaches in, open or not. It concerns containers in a private network: plain processes have the host's own.
    """
    became = wiring.set_egress(name, egress)
    if as_json:
        emit({"environment": name, "egress": egress, **to_plain(became)})
        return
    say(f"{name}: egress is {egress}{'' if became.changed else ', as before'}: {MEANS[egress]}")
    if became.lacking:
        say(f"without effect on this machine, which has no private network: {became.lacking}")
    elif not became.told:
        say("the host part does not run: what still runs is as it was; next: rollout up")
    for where, opens in became.closed_by.items():
        say(f"but the {where} of this host drops it; what lets it through, and nothing else: {opens}")


def _row(line: Line) -> tuple[str, ...]:
    return line.name, f"{line.services:,}", line.prefix or "none yet", "yes" if line.room else "no", line.egress
