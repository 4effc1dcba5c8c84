"""The report in words, for a terminal of any width. Long lists are cut and say where the rest is."""

from collections.abc import Iterable, Iterator

from rollout.cli.glyphs import Glyphs
from rollout.cli.when import moment, span
from rollout.model.state import FINAL
from rollout.operations.course import Fallback, Gap
from rollout.operations.numbers import Comparison
from rollout.operations.report import Report, Scope, Totals, WaveLine
from rollout.operations.subject import wave_name

MOST = 10
MORE = "rollout report --html FILE, or --json"
COMPARED = "before and after, of each service's newest move, ms at the edge: legacy -> v2"
SAFE = Glyphs().safe


def told(report: Report) -> Iterator[str]:
    """The lines."""
    yield f"report as of {moment(report.at)}{_scope(report.scope)}"
    yield f"fleet        {', '.join(f'{count} {_place(place)}' for place, count in report.services.items() if count) or 'empty'}"
    if not report.totals.began and not report.totals.skipped and not report.totals.reverted:
        told, then = ("yet", "plan") if report.scope == Scope() else ("in this time or part", "report")
        yield f"nothing has moved {told}; next: rollout {then}"
    else:
        yield from _counts(report.totals)
    yield from _section("waves", [_wave(line) for line in report.waves])
    if report.causes:
        yield from ("", "why moves came back", *(f"  {cause}: {count}" for cause, count in report.causes[:MOST]))
    yield from _section("came back, the newest first", [_fallback(one) for one in report.fallbacks])
    yield from _section(COMPARED, [_compared(one) for one in report.comparisons])
    yield from _section("gaps, the longest first (by the journal: at most so long)", [_gap(gap) for gap in report.gaps])
    if report.overlapping and not report.gaps:
        moves = "1 move" if report.overlapping == 1 else f"{report.overlapping} moves"
        yield from ("", f"no service had to be away: {moves} ran both copies at once")
    pinned = [f"{pin.service}  {pin.told}{'' if pin.holds else ' (expired)'}" for pin in report.pins]
    yield from _section("pinned", pinned)


def _scope(scope: Scope) -> str:
    parts = [
        scope.plan or "",
        wave_name(scope.wave) if scope.wave is not None else "",
        f"since {moment(scope.since)}" if scope.since is not None else "",
    ]
    asked = ", ".join(part for part in parts if part)
    return f" ({asked})" if asked else ""


def _place(place: str) -> str:
    return {"both": "on both", "nowhere": "running nowhere"}.get(place, f"on {place}")


def _counts(totals: Totals) -> Iterator[str]:
    kept = f"; legacy is kept for {totals.kept}" if totals.kept else ""
    if totals.began:
        yield f"moved        {totals.moved} of {totals.began} that began{kept}"
    others = {
        "fell back": totals.fell_back,
        "brought back": totals.brought_back,
        "stuck": totals.stuck,
        "under way": totals.under_way,
        "skipped": totals.skipped,
        "reverted later": totals.reverted,
    }
    if any(others.values()):
        yield f"others       {', '.join(f'{count} {what}' for what, count in others.items() if count)}"


def _section(title: str, lines: Iterable[str]) -> Iterator[str]:
    """A heading and its lines; nothing where there are none."""
    found = list(lines)
    if found:
        yield from ("", title)
        yield from (f"  {SAFE(line)}" for line in found[:MOST])
    if len(found) > MOST:
        yield f"  and {len(found) - MOST} more: {MORE}"


def _wave(line: WaveLine) -> str:
    back = f", {line.fell_back} fell back" if line.fell_back else ""
    brought = f", {line.brought_back} brought back" if line.brought_back else ""
    lasted = span((line.ended - line.began).total_seconds()) if line.ended else "not ended"
    moved = f"{line.moved} of {line.size} moved{back}{brought}"
    return f"{line.name} ({line.tier}) {line.state}: {moved}; began {moment(line.began)} ({lasted})"


def _fallback(one: Fallback) -> str:
    back = f"; back after {_short(one.back_s)}" if one.back_s is not None else ""
    still = "" if one.state in FINAL else f" ({one.state.replace('_', ' ')})"
    then = f"; {one.afterwards}" if one.afterwards else ""
    return f"{one.service}  {one.wave}{still}  {moment(one.at)}  {one.reason or one.cause}{back}{then}"


def _compared(one: Comparison) -> str:
    pairs = (("p50", one.legacy_p50_ms, one.v2_p50_ms), ("p99", one.legacy_p99_ms, one.v2_p99_ms))
    parts = [f"{name} {_ms(legacy)} -> {_ms(v2)}" for name, legacy, v2 in pairs]
    return f"{one.service}  {', '.join(parts)}; {f'performance {one.verdict}' if one.verdict else 'not judged'}"


def _gap(gap: Gap) -> str:
    declared = "" if gap.declared_s is None else f" of {span(gap.declared_s)} declared"
    longer = ", longer than declared" if gap.declared_s is not None and gap.seconds > gap.declared_s else ""
    return f"{gap.service}  {gap.wave}  {_short(gap.seconds)}{declared}{longer}{'' if gap.end else ', still away'}"


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}" if value < 100 else f"{value:.0f}"


def _short(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 60 else span(seconds)
