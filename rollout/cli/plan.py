"""`rollout plan`."""

from pathlib import Path
from typing import Annotated

import typer

from rollout.cli import console, plan_text
from rollout.cli.progress import working
from rollout.cli.when import since
from rollout.errors import ChangedError, Exit
from rollout.model.fleet import Tier
from rollout.model.plain import to_plain
from rollout.operations.plan import Proposal, Summary, summary
from rollout.store.plans import StoredPlan
from rollout.wiring import actor
from rollout.wiring import plan as wiring
from rollout.wiring.plan import Asked, Planning

TRIES = 5
"""So often a plan is made again because a wave that it displaces changed while a person was asked."""

app = typer.Typer(add_completion=False)


@app.command()
def plan(
    *,
    tier: Annotated[list[str] | None, typer.Option(help=f"Only this tier: {', '.join(Tier)}. Repeatable.")] = None,
    service: Annotated[list[str] | None, typer.Option(help="Only this service: NAME or ENVIRONMENT/NAME. Repeatable.")] = None,
    policy: Annotated[str | None, typer.Option(help="NAME or FILE; without it the policy in force.")] = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the plan to this file too.")] = None,
    as_of: Annotated[str | None, typer.Option(metavar="T", help="Plan as of this date or time (UTC without a zone).")] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Supersede waves that are approved or left to the scheduler.")] = False,
    detailed_exitcode: Annotated[bool, typer.Option("--detailed-exitcode", help="Exit 10 when something can move.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Cut what can move into waves, tier by tier, and store that as a plan. Starts nothing."""
    with wiring.opened() as home:
        asked = Asked(tiers=tier or (), services=service or (), policy=policy, as_of=as_of)
        proposal, stored = _agreed(home, asked, yes=yes)
        if out and stored:
            home.write(stored.plan, out)
    shown = stored.plan if stored else proposal.plan
    told = summary(shown)
    if as_json:
        console.emit(_data(proposal, stored, told))
    else:
        _print(proposal, stored, told)
    if detailed_exitcode and stored:
        raise typer.Exit(int(Exit.CHANGES))


def _agreed(home: Planning, asked: Asked, *, yes: bool) -> tuple[Proposal, StoredPlan | None]:
    """The plan, and as what it is stored. What changed between showing and storing is told, and asked for again."""
    for _ in range(TRIES):
        with working("planning"):
            proposal = home.propose(asked)
        try:
            return proposal, None if proposal.empty else _keep(home, proposal, yes=yes)
        except ChangedError as error:
            changed = error
            console.say(f"{error.what}: planned again")
    raise changed


def _keep(home: Planning, proposal: Proposal, *, yes: bool) -> StoredPlan:
    if proposal.ask_first:
        named = ", ".join(f"wave-{found.wave} ({found.told})" for found in proposal.ask_first)
        console.ask(f"This plan takes the place of {named}. Go on?", yes=yes)
    with working("storing the plan"):
        return home.keep(proposal)


def _data(proposal: Proposal, stored: StoredPlan | None, told: Summary) -> dict[str, object]:
    return {
        "plan": to_plain(stored.plan) if stored else None,
        "unchanged_since": to_plain(proposal.unchanged.stored) if proposal.unchanged else None,
        "superseded": [f"wave-{found.wave}" for found in proposal.displaced],
        "excluded": to_plain(proposal.plan.excluded),
        "to_move": told.to_move,
        "pinned": told.pinned,
        "excluded_count": told.excluded,
    }


def _print(proposal: Proposal, stored: StoredPlan | None, told: Summary) -> None:
    plan_text.print_plan(stored.plan if stored else proposal.plan, told, {})
    lines = []
    if stored is None:
        lines.append("Nothing to move: no plan was stored.")
    elif proposal.unchanged:
        lines.append(f"unchanged since {since(stored.stored, actor.now())}")
    elif stored.plan.expires <= actor.now():
        lines.append("This plan has expired: it shows what would have been, and none of its waves can begin.")
    else:
        lines += [f"takes the place of wave-{found.wave} of {found.plan}" for found in proposal.displaced]
        lines.append(f"next: rollout execute {stored.plan.waves[0].name}")
    console.tell("\n".join([*lines, told.last_line]))
