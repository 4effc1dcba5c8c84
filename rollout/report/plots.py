"""Where the marks of the plots stand: across in percent of the width, so that a plot fits any page; down in pixels. Pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from rollout.operations.course import Gap
from rollout.operations.numbers import Comparison
from rollout.operations.report import Slot, WaveLine

UP, DOWN = 130.0, 50.0
"""The height of the part above the base line, and of that below it (px)."""
TOP, ROW = 18.0, 34.0
THIN = 0.6
"""The least width of a bar (%): what happened is seen."""
TIMES = 4.0
"""The plot of ratios ends at so many times faster and slower; what is further out stands at its edge."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A rectangle: `x` and `width` in percent, `y` and `height` in pixels."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """Columns of services on v2 above the base line, of services that came back below it, with their highest values."""

    on_v2: tuple[Bar, ...]
    back: tuple[Bar, ...]
    base: float
    height: float
    most_on_v2: int
    most_back: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A line of text at `y` with a bar beneath it, and marks on the line of the bar (percent)."""

    y: float
    label: str
    bar: Bar | None = None
    mark: float | None = None
    other: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Lines beneath each other."""

    rows: tuple[Row, ...]
    height: float


def timeline(slots: Sequence[Slot]) -> Timeline:
    """How many services were on v2 when, and when some came back."""
    back = [slot.fell_back + slot.brought_back + slot.reverted for slot in slots]
    most, most_back = max([slot.on_v2 for slot in slots], default=0), max(back, default=0)
    wide, base = 100 / max(1, len(slots)), TOP + UP
    rising = [_column(place, wide, base, UP, slot.on_v2 / most) for place, slot in enumerate(slots) if most and slot.on_v2 > 0]
    falling = [_column(place, wide, base, -DOWN, count / most_back) for place, count in enumerate(back) if count]
    return Timeline(
        on_v2=tuple(rising), back=tuple(falling), base=base, height=base + DOWN + TOP, most_on_v2=most, most_back=most_back
    )


def _column(place: int, wide: float, base: float, room: float, share: float) -> Bar:
    height = abs(room) * min(1.0, share)
    return Bar(x=place * wide, y=base - height if room > 0 else base, width=wide, height=height)


def waves(lines: Sequence[WaveLine], labels: Sequence[str], whole: tuple[datetime, datetime]) -> Rows:
    """When each wave ran, on the axis of time from the one to the other of `whole`; one that still runs goes to its end."""
    first, last = whole
    length = max((last - first).total_seconds(), 1e-6)
    rows = []
    for line, label in zip(lines, labels, strict=True):
        begin, end = ((at - first).total_seconds() / length * 100 for at in (line.began, line.ended or last))
        rows.append((label, min(begin, 100 - THIN), max(THIN, end - begin), None, None))
    return _rows(rows)


def shares(counts: Sequence[int], labels: Sequence[str]) -> Rows:
    """Bars from the left edge, the longest over the whole width."""
    most = max(counts, default=0) or 1
    return _rows([(label, 0.0, count / most * 100, None, None) for count, label in zip(counts, labels, strict=True)])


def gaps(found: Sequence[Gap], labels: Sequence[str]) -> Rows:
    """How long each was away, with a mark at what its plan had declared."""
    most = max([max(gap.seconds, gap.declared_s or 0) for gap in found], default=0) or 1
    rows = []
    for gap, label in zip(found, labels, strict=True):
        mark = None if gap.declared_s is None else min(gap.declared_s / most * 100, 100.0)
        rows.append((label, 0.0, max(THIN, gap.seconds / most * 100), mark, None))
    return _rows(rows)


def ratios(found: Sequence[Comparison], labels: Sequence[str]) -> Rows:
    """v2 over legacy, on an axis where the middle is equal: p50 as `mark`, p99 as `other`."""
    return _rows(
        [
            (label, None, 0.0, _place(ratio(one.legacy_p50_ms, one.v2_p50_ms)), _place(ratio(one.legacy_p99_ms, one.v2_p99_ms)))
            for one, label in zip(found, labels, strict=True)
        ]
    )


def ratio(legacy: float | None, v2: float | None) -> float | None:
    """How many times as long it takes on v2; None where one side has no number."""
    return v2 / legacy if legacy and v2 else None


def _place(value: float | None) -> float | None:
    if value is None:
        return None
    return 50 + 50 * max(-1.0, min(1.0, math.log(value) / math.log(TIMES)))


def _rows(rows: Sequence[tuple[str, float | None, float, float | None, float | None]]) -> Rows:
    placed = []
    for place, (label, x, width, mark, other) in enumerate(rows):
        y = place * ROW + 14
        bar = None if x is None else Bar(x=x, y=y + 5, width=min(width, 100 - x), height=9)
        placed.append(Row(y=y, label=label, bar=bar, mark=mark, other=other))
    return Rows(rows=tuple(placed), height=len(rows) * ROW + 4)
