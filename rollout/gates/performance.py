"""The performance gate: a slowdown of v2 against legacy at the same time, with a known rate of error."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from rollout.errors import RolloutError
from rollout.executor.ports import Look
from rollout.gates.own_requests import INSTRUMENT as OWN
from rollout.gates.own_requests import OwnRequests, without_requests
from rollout.gates.ports import Compared, Comparison, Stream
from rollout.gates.stopping import stopping
from rollout.model.fleet import Release, RuntimeName
from rollout.model.policy import PerformanceGate
from rollout.model.snapshot import Histogram
from rollout.model.verdict import Outcome, Verdict, few
from rollout.perf.blocks import Block, Timed, after_warm_up, blocks, size
from rollout.perf.histogram import of, quantile

EDGE = "edge access log (Envoy)"


class Performance:
    """Fulfils executor.ports.Gate; it is asked only in the one step of a move in which both sides serve (World.comparing).

    **What counts.** Requests that were answered well since the step began, of both sides, behind v2's first `warm_up`; in
    blocks of the same time. **The rule** is that of the comparison it was handed. Before that can tell: `inconclusive`, never
    `pass`. Where the step's time is over and the tier's rule is `probe`, our own requests to both sides are compared in the
    same way.

    The first requests of a step stay what they are, so that every look after the deciding one, and every other driver,
    finds the same verdict: there is one look.
    """

    name = "performance"
    proves = False

    def __init__(self, stream: Stream, comparison: Comparison, rules: PerformanceGate, own: OwnRequests) -> None:
        self._stream = stream
        self._comparison = comparison
        self._rules = rules
        self._own = own

    def absent(self, release: Release) -> str | None:
        """See Gate."""
        return without_requests(release)

    def look(self, look: Look) -> Verdict:
        """See Gate."""
        try:
            verdict = self._judged(look, self._stream.first(look.move.service, look.since), EDGE)
            if verdict.outcome is not Outcome.INCONCLUSIVE or "chance" in verdict.evidence or not look.probe:
                return verdict
            why_not = self._own.why_not(look)
            if why_not:
                return self._verdict(look, Outcome.INCONCLUSIVE, f"{verdict.reason}; {why_not}", verdict.evidence)
            wanted = self._rules.min_requests + self._rules.warm_up
            return self._judged(look, self._own.more(look, wanted).stream, OWN)
        except (OSError, RolloutError) as error:
            return self._verdict(look, Outcome.ERROR, f"the edge's samples cannot be read: {error}", {})

    def _judged(self, look: Look, stream: Sequence[Timed], instrument: str) -> Verdict:
        rules = self._rules
        each = size(rules.quantile)
        over_s = 0.0 if instrument is OWN else rules.over_s
        counted = blocks(after_warm_up(stream, rules.warm_up), each, over_s * each / rules.min_requests)
        compared = self._comparison.compare(counted, rules)
        evidence = {"instrument": instrument, **self._threshold(look)}
        if compared is None:
            reason, there = _still(counted, stream, rules, own=instrument is OWN)
            lack = f"traffic on both sides at the same time ({few(there, rules.min_requests)})"
            return replace(self._verdict(look, Outcome.INCONCLUSIVE, reason, {**evidence, "requests": there}), waits_for=lack)
        used = counted[: compared.requests // each]
        reason, numbers = _told(compared, used, rules)
        if compared.outcome is Outcome.FAIL:
            numbers |= stopping(_first_of_v2(look, stream), look.now)
        prefix = "by our own requests: " if instrument is OWN else ""
        return self._verdict(look, compared.outcome, prefix + reason, {**evidence, **numbers})

    def _threshold(self, look: Look) -> dict[str, object]:
        rules = self._rules
        return {
            "since": look.since.isoformat(timespec="microseconds"),
            "weight": look.weight,
            "rule": self._comparison.rule,
            "max_slowdown": rules.max_slowdown,
            "tolerance_s": rules.tolerance_s,
            "quantile": rules.quantile,
            "alpha": rules.alpha,
            "min_requests": rules.min_requests,
            "warm_up": rules.warm_up,
            "over_s": rules.over_s,
        }

    def _verdict(self, look: Look, outcome: Outcome, reason: str, evidence: Mapping[str, object]) -> Verdict:
        return Verdict(gate=self.name, outcome=outcome, reason=reason, at=look.now, evidence=evidence)


def _first_of_v2(look: Look, stream: Sequence[Timed]) -> datetime:
    """When v2's first answer came: the clock of the stream begins anywhere, so that only its last answer is known to be now."""
    first = next(request.ended for request in stream if request.side is RuntimeName.V2)
    return look.now - timedelta(seconds=max(request.ended for request in stream) - first)


def _still(counted: Sequence[Block], stream: Sequence[Timed], rules: PerformanceGate, *, own: bool) -> tuple[str, int]:
    """How many are there, of how many."""
    there = len(counted) * size(rules.quantile)
    whose = "of our own requests" if own else "requests"
    v2 = sum(request.side is RuntimeName.V2 for request in stream)
    behind = f" behind the first {rules.warm_up}" if v2 <= rules.warm_up else ""
    return f"{there} of {rules.min_requests} {whose} of each side at the same time{behind}", there


def _told(compared: Compared, used: Sequence[Block], rules: PerformanceGate) -> tuple[str, dict[str, object]]:
    """The comparison as a sentence and as numbers, over the requests that it stands on."""
    legacy = of(time for block in used for time in block.legacy)
    v2 = of(time for block in used for time in block.v2)
    legacy_ms, v2_ms = quantile(legacy, rules.quantile) or 0.0, quantile(v2, rules.quantile) or 0.0
    what = "median" if rules.quantile == 0.5 else f"quantile {rules.quantile:g}"
    word = "slower" if compared.slowdown >= 0 else "faster"
    reason = (
        f"v2 is {abs(compared.slowdown):.0%} {word} than legacy at the same time "
        f"({what} {legacy_ms:.3g} → {v2_ms:.3g} ms, {compared.requests} requests each), "
        f"allowed {rules.max_slowdown:.0%} or {1000 * rules.tolerance_s:g} ms"
    )
    if compared.outcome is Outcome.INCONCLUSIVE:
        reason += f": chance alone does that in {compared.chance:.0%} of cases"
    numbers: dict[str, object] = {
        "requests": compared.requests,
        "slowdown": round(compared.slowdown, 4),
        "between": [round(compared.low, 4), round(compared.high, 4)],
        "chance": compared.chance,
        "legacy": _numbers(legacy),
        "v2": _numbers(v2),
    }
    return reason, numbers


def _numbers(histogram: Histogram) -> dict[str, object]:
    found = {"p50_ms": 0.5, "p95_ms": 0.95, "p99_ms": 0.99}
    return {name: round(quantile(histogram, q) or 0.0, 3) for name, q in found.items()}
