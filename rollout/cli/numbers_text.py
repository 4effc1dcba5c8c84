"""How numbers are told: a table of periods, two histograms over one axis, and each gate's verdict with rule and threshold."""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from textwrap import wrap
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from rollout.cli.plan_text import table
from rollout.cli.when import moment
from rollout.model.snapshot import Phase
from rollout.operations.numbers import Measured, Numbers
from rollout.perf.histogram import axis, spread
from rollout.store.measured import Judged

BARS, PLAIN_BARS = " ▁▂▃▄▅▆▇█", " .:-=+*#@"
COLUMNS, WIDE = 30, 2
THRESHOLDS: Mapping[str, Callable[[Any], str]] = {
    "max_increase": lambda value: f"{value:.1%} more failures",
    "max_slowdown": lambda value: f"{value:.0%} slower",
    "tolerance_s": lambda value: f"or {1000 * value:g} ms",
    "quantile": lambda value: f"quantile {value:g}",
    "alpha": lambda value: f"alpha {value:g}",
    "min_requests": lambda value: f"{value} requests",
    "warm_up": lambda value: f"behind v2's first {value}",
    "over_s": lambda value: f"over {value:g} s at least",
    "needed": lambda value: f"{value} good looks",
}
"""What of a verdict's evidence is its threshold, and how it is told."""


def told(found: Numbers, width: int) -> RenderableType:
    """All of it; 80 columns are enough."""
    parts: list[RenderableType] = [Text(f"{found.move}: {found.state.replace('_', ' ')} since {moment(found.since)}")]
    if found.periods:
        parts += [Text(), table(HEADER, [_row(one) for one in found.periods], whole=2)]
        parts += [Text(f"measured by {'; '.join(dict.fromkeys(one.snapshot.instrument for one in found.periods))}")]
    else:
        parts += [Text("nothing was measured yet")]
    parts += [Text(line) for line in _plot(found.periods)]
    if found.took:
        parts += [Text(), Text("on v2: " + ", ".join(f"{took.what} in {took.seconds:.2f} s" for took in found.took))]
    for judged in _last(found.verdicts):
        parts += [Text(), *_judged(judged, width)]
    return Group(*parts)


HEADER = ("period", "side", "s", "req/s", "errors", "p50 ms", "p95 ms", "p99 ms", "cores", "memory")


def _row(one: Measured) -> Sequence[str]:
    snapshot, figures = one.snapshot, one.figures
    return (
        str(one.phase),
        str(one.runtime),
        f"{snapshot.seconds:.0f}",
        f"{figures.load:.1f}",
        f"{figures.error_rate:.1%}",
        *(_short(value) for value in (figures.p50_ms, figures.p95_ms, figures.p99_ms)),
        "-" if figures.cpu_cores is None else f"{figures.cpu_cores:.2f}",
        "-" if figures.memory_bytes is None else f"{figures.memory_bytes / 1e6:.0f} MB",
    )


def _short(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}" if value < 1000 else f"{value:.0f}"


def _plot(periods: Sequence[Measured]) -> Iterator[str]:
    """Both sides over one axis of latency: of the same time where there is one."""
    both = [one for one in periods if one.phase is Phase.DURING and one.snapshot.latencies.n]
    shown = both if len(both) == 2 else [one for one in periods if one.snapshot.latencies.n]
    if not shown:
        return
    bars = BARS if (sys.stdout.encoding or "").lower().startswith("utf") else PLAIN_BARS
    histograms = [one.snapshot.latencies for one in shown]
    edges = axis(histograms, COLUMNS)
    yield ""
    yield "share of requests by latency (ms, logarithmic)"
    for one in shown:
        counts = spread(one.snapshot.latencies, edges)
        most = max(counts)
        line = "".join(WIDE * bars[-(-count * (len(bars) - 1) // most)] for count in counts)
        yield f"{one.phase:<6} {one.runtime:<6} {line}".rstrip()
    marks = [f"{edges[COLUMNS * part // 5]:.3g}" for part in range(6)]
    yield " " * 14 + "".join(f"{mark:<{WIDE * COLUMNS // 5}}" for mark in marks[:-1]) + marks[-1]


def _last(verdicts: Sequence[Judged]) -> Sequence[Judged]:
    """The last that each gate said; --json tells all."""
    return list({judged.gate: judged for judged in verdicts}.values())


def _judged(judged: Judged, width: int) -> Iterator[Text]:
    where = f"{judged.state.replace('_', ' ')}{f', {judged.weight} % on v2' if judged.weight else ''}"
    yield Text(f"{judged.gate}: {judged.outcome or 'not asked'} ({where})", style="bold")
    lines = [judged.reason]
    for evidence in _rules(judged.evidence):
        limits = [form(evidence[name]) for name, form in THRESHOLDS.items() if evidence.get(name) is not None]
        lines += [f"rule: {evidence['rule']}", *([f"threshold: {', '.join(limits)}"] if limits else [])]
    if "seen_to_stop_s" in judged.evidence:
        lines += [f"first bad sample to decision: {judged.evidence['seen_to_stop_s']} s"]
    if "instrument" in judged.evidence:
        lines += [f"instrument: {judged.evidence['instrument']}"]
    for line in lines:
        for part in wrap(line, width - 2) or [""]:
            yield Text(f"  {part}")


def _rules(evidence: Mapping[str, object]) -> Iterator[Mapping[str, object]]:
    """The rule of a gate, and that of latency where the gate has two."""
    latency = evidence.get("latency")
    for one in (evidence, latency):
        if isinstance(one, Mapping) and "rule" in one:
            yield one
