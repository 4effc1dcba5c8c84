"""`rollout explain`."""

from collections.abc import Sequence
from typing import Annotated

import typer
from rich.text import Text

from rollout.cli import console, numbers_text
from rollout.cli.when import moment, span
from rollout.model.image import shortly
from rollout.model.plain import to_plain
from rollout.model.plan import Reason, Strategy
from rollout.model.ports import RULE
from rollout.operations.explain import Explanation, Planned
from rollout.operations.listening import Listens
from rollout.wiring import plan as wiring

app = typer.Typer(add_completion=False)


@app.command()
def explain(
    service: Annotated[str, typer.Argument(help="NAME or ENVIRONMENT/NAME.")],
    *,
    numbers: Annotated[bool, typer.Option("--numbers", help="What was measured of its newest move, and each verdict.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Why a service is in its wave, or why not; what it waits for, and who can change that."""
    if numbers:
        _numbers(service, as_json=as_json)
        return
    with wiring.opened() as home:
        found = home.explain(service)
    if as_json:
        console.emit({"explanation": to_plain(found)})
        return
    console.tell_pairs(told(found))


def _numbers(service: str, *, as_json: bool) -> None:
    with wiring.opened() as home:
        found = home.numbers(service)
    if as_json:
        console.emit({"numbers": to_plain(found)})
    elif found is None:
        console.out().print(Text(f"no move of {service} to v2 has begun: nothing was measured yet"))
    else:
        screen = console.out()
        screen.print(numbers_text.told(found, screen.width))


def told_of_ports(ports: Sequence[Listens], service: str) -> list[tuple[str, str]]:
    """Where each copy is led to, and where it listens besides; then the rule, where there was something to choose."""
    lines = []
    for one in ports:
        besides = [f"it also listens on {_listed(one.others)}"] if one.others else []
        besides += [f"for itself alone on {_listed(one.for_itself)}"] if one.for_itself else []
        lines.append(("port", "; ".join([f"{one.note}, on {one.runtime}", *besides])))
    if any(one.others for one in ports):
        lines.append(("traffic to", f"{RULE}. Its owner decides: rollout service set {service} --port N, and deploy"))
    return lines


def _listed(ports: Sequence[int]) -> str:
    return ", ".join(map(str, ports))


def told(found: Explanation) -> list[tuple[str, str]]:
    """The explanation as labels and sentences."""
    runs = " and ".join(found.runs_on) or "nowhere"
    lines = [
        ("service", found.service),
        ("customer", f"{found.customer} ({found.tier})"),
        ("runs on", f"{runs}, release {found.release}" if found.runs_on else runs),
    ]
    if found.image:
        lines.append(("image", shortly(found.image)))
    lines += told_of_ports(found.ports, found.service)
    if found.setting:
        lines.append(("setting", f"{found.setting.runtime} ({found.setting.origin})"))
    if found.planned:
        lines += _planned(found.planned)
    elif not found.reason:
        lines.append(("plan", "in none yet"))
    if found.move:
        because = f": {found.move.reason}" if found.move.reason else ""
        weight = f" at {found.move.weight} %" if found.move.weight else ""
        state = found.move.state.replace("_", " ")
        lines.append(("move", f"{found.move.id}: {state}{weight} since {moment(found.move.since)}{because}"))
    if found.pin and not found.pin_holds:
        lines.append(("pin", f"expired: it was {found.pin.told}"))
    elif found.pin and found.reason is not Reason.PINNED:
        lines.append(("pinned", found.pin.told))
    if found.reason:
        lines.append(("why not", f"{found.reason.replace('_', ' ')}: {found.detail.removeprefix('pinned ')}"))
    if found.failure:
        lines.append(("failed", f"its deploy, {moment(found.failure.at)}: {found.failure.why}"))
    lines.append(("waits for", found.waits_for))
    lines += [("change it" if n == 0 else "", f"{one.who}: {one.command}") for n, one in enumerate(found.remedies)]
    return lines


def _planned(planned: Planned) -> list[tuple[str, str]]:
    state = f"superseded by {planned.superseded_by}" if planned.superseded_by else planned.state
    away = f"up to {span(planned.downtime_s)} away" if planned.strategy is Strategy.RECREATE else "no downtime"
    lines = [
        ("plan", f"{planned.plan}, {planned.wave} ({state})"),
        ("why there", planned.why),
        ("how", f"{planned.strategy}: {away}, then watched; about {span(planned.expected_s)} in all"),
    ]
    if planned.stale:
        lines.append(("stale", f"{planned.stale}; left for the next plan"))
    return lines
