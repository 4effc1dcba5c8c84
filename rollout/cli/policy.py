"""`rollout policy use | list | show`."""

import sys
from typing import Annotated

import typer

from rollout.cli import console, main, plan_text
from rollout.cli.when import moment
from rollout.model.plain import to_plain
from rollout.operations.policy import Known
from rollout.wiring import plan as wiring

app = typer.Typer(no_args_is_help=True, add_completion=False, help=main.help_line("policy"))
Json = Annotated[bool, typer.Option("--json", help="One JSON document.")]


@app.command()
def use(
    name: Annotated[str, typer.Argument(metavar="NAME|FILE", help="One that policy list names, or a TOML file.")],
    *,
    as_json: Json = False,
) -> None:
    """Put a policy in force. Plans that are made already keep their own."""
    with wiring.opened() as home:
        known = home.use(name)
    if as_json:
        console.emit({"policy": _data(known)})
    else:
        console.say(f"policy {known.name} {known.hash[:8]} is in force; plans made before keep their own")


@app.command("list")
def list_(*, as_json: Json = False) -> None:
    """All policies that are known here; the one in force is marked."""
    known = wiring.known_policies()
    if as_json:
        console.emit({"policies": [_data(one) for one in known]})
        return
    header = ("policy", "hash", "in force", "tiers", "from")
    console.out().print(plan_text.table(header, [_row(one) for one in known]))


@app.command()
def show(
    name: Annotated[str | None, typer.Argument(metavar="[NAME|FILE]", help="Without it, the policy in force.")] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Every value that holds, those left out in the file too.")] = False,
) -> None:
    """The text of a policy, its comments included."""
    known = wiring.known_policy(name)
    if as_json:
        console.emit({"policy": {**_data(known), "values": to_plain(known.policy)}})
        return
    sys.stdout.write(known.source if known.source.endswith("\n") else known.source + "\n")


def _row(one: Known) -> tuple[str, ...]:
    origin = f"stored by {one.stored_by}, {moment(one.stored)}" if one.stored else "comes with rollout"
    tiers = ", ".join(entry.tier for entry in one.policy.tiers)
    return one.name, one.hash[:8], "yes" if one.active else "", tiers, origin


def _data(one: Known) -> dict[str, object]:
    return {
        "name": one.name,
        "hash": one.hash,
        "active": one.active,
        "origin": one.origin,
        "stored": to_plain(one.stored),
        "stored_by": one.stored_by or None,
        "deadline": to_plain(one.policy.deadline),
        "v2_default_from": to_plain(one.policy.v2_default_from),
    }
