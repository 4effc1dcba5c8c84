"""How a plan is told: its waves as a table, who is left out and why, its moves."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from rich.table import Column, Table
from rich.text import Text

from rollout.cli import console
from rollout.cli.when import span
from rollout.model.fleet import Tier
from rollout.model.image import shortly
from rollout.model.plan import Plan, Reason, Strategy, Wave
from rollout.model.policy import Inconclusive, Policy
from rollout.model.state import State
from rollout.operations.plan import LeftOut, Summary, WaveSum
from rollout.operations.show import Shown
from rollout.planner.expected import when_quiet

TOLD = {
    Reason.NOT_RUNNING: "not running",
    Reason.PINNED: "pinned by their owner",
    Reason.BLOCKED: "blocked: fell back or reverted",
    Reason.NO_COMMAND: "no command",
    Reason.CRON: "cron: no cut-over yet",
    Reason.ON_V2: "on v2 already",
    Reason.MOVING: "moving now",
    Reason.OTHER_TIER: "of another tier",
    Reason.NOT_ASKED: "not asked for",
    Reason.TIER_UNKNOWN: "tier not in the policy",
    Reason.NO_ENGINE: "engine cannot run it",
}


QUIET = {
    Inconclusive.HOLD: "held for an approval after {} of a step",
    Inconclusive.PROBE: "up to {} longer, by our own requests",
    Inconclusive.ACCEPT: "up to {} longer, then accepted",
}
MOST = 200
FIRST = 10
"""A plan of more than `MOST` waves is told by the first `FIRST` and the last of each tier; `show wave-N` and --json tell all."""


def table(header: Sequence[str], rows: Iterable[Sequence[str]], *, whole: int = 1) -> Table:
    """A table without lines; cells are taken as they are, and the first `whole` of a row are never cut or broken."""
    columns = [Column(title, no_wrap=number < whole) for number, title in enumerate(header)]
    drawn = Table(*columns, box=None, header_style="bold", pad_edge=False)
    for row in rows:
        drawn.add_row(*(Text(cell) for cell in row))
    return drawn


def waves(summary: Summary, states: dict[str, str]) -> Table:
    """One line for each wave, or for the first and last of each tier where there are very many; `states` of stored ones."""
    header = ("wave", "tier", "services", "customers", "how", "downtime each", "lasts about", *(("state",) if states else ()))
    rows: list[Sequence[str]] = []
    for wave in _few(summary.waves):
        if isinstance(wave, int):
            rows.append([f"… {wave} more", *[""] * (len(header) - 1)])
            continue
        overlap = wave.services - wave.recreate
        how = [f"{overlap} overlap"] * bool(overlap) + [f"{wave.recreate} recreate"] * bool(wave.recreate)
        tier = f"{wave.tier} (asked for v2)" if wave.boarding else wave.tier.value
        away = f"up to {span(wave.downtime_s)}" if wave.downtime_s else "none"
        row = [wave.name, tier, str(wave.services), str(wave.customers), ", ".join(how), away, span(wave.expected_s)]
        rows.append([*row, *([states.get(wave.name, "-")] if states else [])])
    return table(header, rows, whole=2)


def _few(found: Sequence[WaveSum]) -> Iterator[WaveSum | int]:
    """The waves, and in the place of those in the middle of a long tier how many they are."""
    for _, group in groupby(found, key=lambda wave: (wave.boarding, wave.tier)):
        together = list(group)
        left = len(together) - FIRST - 1
        if len(found) <= MOST or left < 2:
            yield from together
        else:
            yield from together[:FIRST]
            yield left
            yield together[-1]


def left_out(groups: Sequence[LeftOut]) -> list[str]:
    """Who is left out, by reason, with a few names each."""
    return [line for group in groups for line in (_each if group.reason is Reason.PINNED else _named)(group)]


def _named(group: LeftOut) -> list[str]:
    more = " …" if group.count > len(group.first) else ""
    return [f"  {TOLD[group.reason]} ({group.count}): {', '.join(group.first)}{more}"]


def _each(group: LeftOut) -> list[str]:
    """What an owner decided is told with its reason."""
    lines = [f"  {TOLD[group.reason]} ({group.count}):"]
    lines += [f"    {service}: {told}" for service, told in zip(group.first, group.told, strict=True)]
    return lines + [f"    and {group.count - len(group.first)} more"] * (group.count > len(group.first))


def moves(wave: Wave, shown: Shown) -> Table:
    """One line for each move of a wave; why each is here, where that is not the same for all."""
    rows: list[list[str]] = []
    alike, images = why_all(wave), any(move.precondition.image for move in wave.moves)
    for move in wave.moves:
        away = f"up to {span(move.downtime_s)}" if move.strategy is Strategy.RECREATE else "none"
        stands = shown.moves.get(move.service, State.PLANNED).replace("_", " ")
        stale = shown.stale.get(move.service)
        state = f"stale: {stale}" if stale else stands
        row = [move.service, move.customer, move.strategy.value, away, span(move.expected_s), state]
        row += [shortly(move.precondition.image).rpartition("/")[2]] if images else []
        rows.append(row if alike else [*row, move.why])
    header = ["service", "customer", "how", "downtime", "lasts about", "state", *(["image"] if images else [])]
    return table(header if alike else [*header, "why here"], rows)


def why_all(wave: Wave) -> str:
    """Why its moves are here, where that is the same for all; else empty."""
    told = {move.why for move in wave.moves}
    return told.pop() if len(told) == 1 else ""


def quiet(policy: Policy, tiers: Iterable[Tier]) -> str:
    """How the tiers go on where the gates get too few requests to tell; empty where no gate counts requests."""
    if policy.traffic is None and policy.performance is None:
        return ""
    told: dict[str, list[str]] = {}
    for tier in dict.fromkeys(tiers):
        rule = policy.tier(tier).inconclusive
        told.setdefault(QUIET[rule].format(span(when_quiet(policy, rule))), []).append(tier)
    parts = [f"{' and '.join(names)} {text}" for text, names in told.items()]
    return f"with too little traffic: {'; '.join(parts)}"


def print_plan(plan: Plan, summary: Summary, states: dict[str, str]) -> None:
    """The waves, and who is left out."""
    out = console.out()
    if summary.waves:
        out.print(waves(summary, states))
        if told := quiet(plan.policy, [wave.tier for wave in summary.waves]):
            console.tell(told)
    if summary.left_out:
        lines = [
            "",
            "Not in the plan:",
            *left_out(summary.left_out),
            "  rollout explain SERVICE tells why, and who can change it",
        ]
        console.tell("\n".join(lines))
    if summary.waves:
        console.tell(f"\n{plan.id}: policy {plan.policy.name} {plan.policy_hash[:8]}, expires {plan.expires:%Y-%m-%d}")
