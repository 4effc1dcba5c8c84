"""`rollout show`."""

from pathlib import Path
from typing import Annotated

import typer

from rollout.cli import console, plan_text
from rollout.cli.when import moment
from rollout.model.plain import to_plain
from rollout.operations.plan import summary
from rollout.operations.show import Shown
from rollout.wiring import plan as wiring

app = typer.Typer(add_completion=False)


@app.command()
def show(
    name: Annotated[str, typer.Argument(metavar="PLAN|WAVE|FILE", help="plan-1a2b3c4d, wave-3, or a file that --out wrote.")],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """A plan, a wave or a plan's file: what it says and what has become of it."""
    if "/" in name or name.endswith(".json") or Path(name).is_file():
        shown = wiring.of_file(Path(name))
    else:
        with wiring.opened() as home:
            shown = home.show(name)
    if as_json:
        console.emit(_data(shown))
    elif name.startswith("wave-"):
        _print_wave(shown)
    else:
        _print_plan(shown)


def _data(shown: Shown) -> dict[str, object]:
    whole = to_plain(shown.plan)
    return {
        "plan": {**whole, "waves": [to_plain(wave) for wave in shown.waves]},
        "stored": to_plain(shown.stored),
        "states": dict(shown.states),
        "moves": to_plain(shown.moves),
        "stale": dict(shown.stale),
    }


def _print_plan(shown: Shown) -> None:
    told = summary(shown.plan)
    plan_text.print_plan(shown.plan, told, dict(shown.states))
    console.tell("\n".join([*_beside(shown), *_stale(shown), told.last_line]))


def _print_wave(shown: Shown) -> None:
    [wave] = shown.waves
    out = console.out()
    ahead = ", ahead of its tier: their owners asked for v2" if wave.boarding else ""
    state = shown.states.get(wave.name, "")
    console.tell(f"{wave.name} of {shown.plan.id}: {wave.tier}, {len(wave.moves)} to move, {state}{ahead}")
    out.print(plan_text.moves(wave, shown))
    alike = plan_text.why_all(wave)
    told = plan_text.quiet(shown.plan.policy, [wave.tier])
    lines = [*([f"why here: {alike}"] if alike else []), *([told] if told else []), *_beside(shown), *_stale(shown)]
    if lines:
        console.tell("\n".join(lines))


def _beside(shown: Shown) -> list[str]:
    if shown.stored is None:
        return ["the hash matches; this file is not looked up in the home"]
    lines = [f"stored by {shown.stored.stored_by}, {moment(shown.stored.stored)}"]
    if shown.stored.superseded_by:
        lines.append(f"superseded by {shown.stored.superseded_by}")
    elif shown.stored.expired:
        lines.append(f"expired: waves that have not begun cannot begin any more (since {moment(shown.plan.expires)})")
    return lines


def _stale(shown: Shown) -> list[str]:
    if not shown.stale:
        return []
    told = [f"  {service}: {reason}" for service, reason in shown.stale.items()]
    return ["Stale, left for the next plan (rollout plan); the others run:", *told]
