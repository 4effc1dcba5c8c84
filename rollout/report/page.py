"""The report as one HTML page: no script, nothing to load, light and dark, and a table beside each plot.

Whatever a person or a service wrote is escaped by the template engine; what no page should hold is replaced afterwards.
"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TypeVar

from jinja2 import Environment, PackageLoader, StrictUndefined

from rollout.operations.numbers import Comparison
from rollout.operations.report import Report, WaveLine
from rollout.report import plots

ROWS = 200
"""A table has at most so many rows; the page says how many are left out."""
LINES = 30
"""A plot has at most so many lines."""
LONGEST = 300
"""Longer texts are cut."""
UNFIT = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters, overrides of the direction of writing, halves of pairs."""
T = TypeVar("T")


def page(report: Report) -> str:
    """The page."""
    made = Environment(
        loader=PackageLoader("rollout.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"at": at, "short": short, "secs": secs, "number": number, "words": words}
    shown = {
        "report": report,
        "rows": ROWS,
        "timeline": plots.timeline(report.slots),
        "slots": [slot for slot in report.slots if slot.moved or slot.fell_back or slot.brought_back or slot.reverted],
        "waves": _waves(report),
        "whole": _whole(report),
        "causes": _causes(report),
        "gaps": plots.gaps(report.gaps[:LINES], [f"{short(gap.service, 60)}, {gap.wave}" for gap in report.gaps[:LINES]]),
        "slower": slower(report.comparisons)[:ROWS],
        "ratios": _ratios(report),
        "ratio": plots.ratio,
        "fallbacks": report.fallbacks[:ROWS],
    }
    return UNFIT.sub("\ufffd", made.get_template("page.html").render(shown))


def at(moment: datetime | None, form: str = "%Y-%m-%d %H:%M:%S") -> str:
    """`2026-05-04 14:02:03`, in UTC."""
    return f"{moment.astimezone(UTC):{form}}" if moment else "–"


def short(text: str, most: int = LONGEST) -> str:
    """The text in one line, cut."""
    told = " ".join(text.split())
    return told if len(told) <= most else f"{told[: most - 1]}…"


def secs(seconds: float | None) -> str:
    """`0.42 s`, `12.1 s`, `3 min 20 s`, `2 h 5 min`."""
    if seconds is None:
        return "–"
    whole = round(seconds)
    if seconds < 120:
        return f"{seconds:.2f} s" if seconds < 10 else f"{seconds:.1f} s"
    return f"{whole // 60} min {whole % 60} s" if whole < 7200 else f"{whole // 3600} h {whole % 3600 // 60} min"


def number(value: float | None) -> str:
    """Three figures, or a dash."""
    if value is None:
        return "–"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def words(value: str) -> str:
    """`fell_back` as people read it."""
    return value.replace("_", " ")


def slower(found: Sequence[Comparison]) -> list[Comparison]:
    """Those first that lose most on v2; those without a ratio last."""

    def loss(one: Comparison) -> float:
        known = [plots.ratio(one.legacy_p50_ms, one.v2_p50_ms), plots.ratio(one.legacy_p99_ms, one.v2_p99_ms)]
        return max([value for value in known if value is not None], default=0.0)

    return sorted(found, key=lambda one: (-loss(one), one.service))


def ends(found: Sequence[T], most: int) -> Sequence[T]:
    """The first and the last of them, where they are more than `most`."""
    return found if len(found) <= most else [*found[: most // 2], *found[len(found) - (most - most // 2) :]]


def _waves(report: Report) -> plots.Rows:
    lines = ends(report.waves, LINES)
    return plots.waves(lines, [_wave(line) for line in lines], _whole(report))


def _whole(report: Report) -> tuple[datetime, datetime]:
    """From the beginning of the first wave to the end of the last, or to now."""
    began, ended = [line.began for line in report.waves], [line.ended or report.at for line in report.waves]
    return min(began, default=report.at), max(ended, default=report.at)


def _wave(line: WaveLine) -> str:
    back = line.fell_back + line.brought_back
    return f"{line.name} {line.tier}: {line.moved} of {line.size} moved" + (f", {back} came back" if back else "")


def _causes(report: Report) -> plots.Rows:
    few = report.causes[:LINES]
    return plots.shares([count for _, count in few], [f"{cause}: {count}" for cause, count in few])


def _ratios(report: Report) -> plots.Rows:
    both = [one for one in slower(report.comparisons) if plots.ratio(one.legacy_p99_ms, one.v2_p99_ms)][:LINES]
    return plots.ratios(both, [short(one.service, 60) for one in both])
