"""The traffic gate: error rate and latency at the edge, v2 against legacy."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from rollout.errors import RolloutError
from rollout.executor.ports import Look
from rollout.gates import hang_ups
from rollout.gates.chance import at_least
from rollout.gates.own_requests import INSTRUMENT, OwnRequests, without_requests
from rollout.gates.ports import Samples
from rollout.gates.slowness import least, slowness
from rollout.gates.stopping import stopping
from rollout.model.fleet import Release, RuntimeName
from rollout.model.policy import TrafficGate
from rollout.model.sample import Sample
from rollout.model.state import State
from rollout.model.verdict import Outcome, Verdict, few

BEFORE = timedelta(hours=1)
DECISIVE = 1e-4
"""So unlikely by chance that the gate does not wait for `min_requests`. Small, as the gate looks again and again: with
`max_increase` 2 % and a legacy without errors it takes 3 failures of up to 5 requests, or 4 of up to 13."""
CONVINCING = 0.05
"""So unlikely by chance, once `min_requests` are there."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What the numbers say. `slow`: the latencies decided it, so that every answer of v2 is a bad sample."""

    outcome: Outcome
    reason: str
    chance: float | None = None
    slow: bool = False
    waits_for: str = ""


class Traffic:
    """Fulfils executor.ports.Gate: v2 may fail more often than legacy by `max_increase`, not more.

    **What counts.** v2's requests at the edge since the state began, with those that by weight were v2's and were given to
    legacy because v2's copies had just failed (`shed`): the edge did not trust v2 with them. Failures: errors, requests that
    ended well only at a second attempt, and shed ones.

    **Hang-ups.** A client that left before anything was answered counts, as a failure, only if it had waited longer than 99 %
    of legacy's answers took (at the same time or in the hour before, as below; at least 50 ms; 1 s where legacy has answered
    nothing): impatient clients bring no good v2 down, a v2 that hangs until they leave does fall. It holds for both sides,
    and the evidence has it as numbers of its own.

    **Against what.** Legacy's rate at the same time, if it had `min_requests`. Else (at 100 % legacy has next to nothing) its
    rate over the hour before the state began and since, whatever that holds; if that is nothing, 0. The evidence says which.

    **The rule**, with `allowed` = legacy's rate + `max_increase` and `chance` = the exact binomial probability of as many
    failures or more, if v2 failed at the rate `allowed`:

    1. chance < 0.0001: `fail`, however few requests there are;
    2. fewer than `min_requests`: `inconclusive`;
    3. v2's rate <= allowed: `pass`;
    4. chance < 0.05: `fail`; else `inconclusive` (one failure of twenty is no proof; more requests decide).

    **Latency**, once `min_requests` of v2 are there: against legacy at the same time alone, by `slowness.slowness`; much slower
    is `fail`. While both serve, a legacy that nobody asked makes it `inconclusive`; at 100 % it is not compared, and the
    evidence says so.

    Where the time is over without an answer and the tier's rule is `probe`, our own requests to both sides are judged by the
    same rules, as many as the comparison of latencies needs at least. Samples that cannot be read: `error`.
    """

    name = "traffic"
    proves = False

    def __init__(self, samples: Samples, rules: TrafficGate, own: OwnRequests | None = None) -> None:
        self._samples = samples
        self._rules = rules
        self._own = own

    def absent(self, release: Release) -> str | None:
        """See Gate."""
        return without_requests(release)

    def look(self, look: Look) -> Verdict:
        """See Gate. It always looks at v2, against legacy; on the last look a lack of requests stays `inconclusive`."""
        try:
            seen = self._samples.read(look.move.service, look.since)
            verdict = self._judged(look, seen, self._earlier(look, seen))
            if verdict.outcome is Outcome.INCONCLUSIVE and look.probe and self._own is not None:
                return self._by_our_own(look, self._own, verdict)
        except (OSError, RolloutError) as error:
            return self._verdict(look.now, Finding(Outcome.ERROR, f"the edge's samples cannot be read: {error}"), {})
        return verdict

    def _earlier(self, look: Look, seen: Mapping[RuntimeName, Sample]) -> Sample | None:
        """Legacy over the hour before, where it has too few requests at the same time."""
        if asked(seen[RuntimeName.LEGACY]) >= self._rules.min_requests:
            return None
        return self._samples.read(look.move.service, look.since - BEFORE)[RuntimeName.LEGACY]

    def _judged(self, look: Look, seen: Mapping[RuntimeName, Sample], earlier: Sample | None) -> Verdict:
        limit = hang_ups.limit_ms(earlier or seen[RuntimeName.LEGACY])
        left = hang_ups.numbers(seen[RuntimeName.V2], earlier or seen[RuntimeName.LEGACY], limit)
        v2, beside = (hang_ups.judged(seen[side], limit) for side in (RuntimeName.V2, RuntimeName.LEGACY))
        legacy, both = hang_ups.judged(earlier, limit) if earlier else beside, look.move.state is State.SHIFTING
        finding, latency = judge_latency(judge(v2, legacy, self._rules), v2, beside, self._rules, both=both)
        when = "from an hour before" if earlier else "same time"
        evidence = {**self._evidence(look, v2, legacy, when, finding), "hang_ups": left, "latency": latency}
        if finding.outcome is Outcome.FAIL:
            evidence |= stopping(v2.first if finding.slow else v2.first_bad, look.now)
        return self._verdict(look.now, finding, evidence)

    def _by_our_own(self, look: Look, own: OwnRequests, verdict: Verdict) -> Verdict:
        why_not = own.why_not(look)
        if why_not:
            return replace(verdict, reason=f"{verdict.reason}; {why_not}")
        found = own.more(look, max(self._rules.min_requests, least(self._rules.quantile)))
        judged = self._judged(look, {side: found.sample(side) for side in RuntimeName}, None)
        evidence = {**judged.evidence, "instrument": INSTRUMENT}
        return replace(judged, reason=f"by our own requests: {judged.reason}", evidence=evidence)

    def _verdict(self, at: datetime, finding: Finding, evidence: Mapping[str, object]) -> Verdict:
        outcome, lack = finding.outcome, finding.waits_for
        return Verdict(gate=self.name, outcome=outcome, reason=finding.reason, at=at, evidence=evidence, waits_for=lack)

    def _evidence(self, look: Look, v2: Sample, legacy: Sample, when: str, finding: Finding) -> dict[str, object]:
        return {
            "since": look.since.isoformat(timespec="microseconds"),
            "weight": look.weight,
            "v2": _numbers(v2),
            "legacy": {**_numbers(legacy), "when": when if asked(legacy) else "no requests, taken as 0"},
            "rule": "v2's rate of failures <= legacy's + max_increase",
            "max_increase": self._rules.max_increase,
            "min_requests": self._rules.min_requests,
            "chance": finding.chance,
        }


def judge(v2: Sample, legacy: Sample, rules: TrafficGate) -> Finding:
    """The rule of `Traffic`, on numbers."""
    n, failures = asked(v2), failed(v2)
    allowed = min(1.0, rate(legacy) + rules.max_increase)
    lack = f"traffic on v2 ({few(n, rules.min_requests)})"
    if n == 0:
        return Finding(Outcome.INCONCLUSIVE, f"v2 has had no requests yet, of {rules.min_requests}", waits_for=lack)
    shed = f", {v2.shed} of them sent to legacy after it broke" if v2.shed else ""
    numbers = f"v2 failed {failures} of {n} ({rate(v2):.1%}{shed}), legacy {rate(legacy):.1%}, allowed {allowed:.1%}"
    chance = at_least(failures, n, allowed) if rate(v2) > allowed else 1.0
    if chance < DECISIVE:
        return Finding(Outcome.FAIL, numbers, chance)
    if n < rules.min_requests:
        return Finding(Outcome.INCONCLUSIVE, f"{n} of {rules.min_requests} requests: {numbers}", chance, waits_for=lack)
    if rate(v2) <= allowed:
        return Finding(Outcome.PASS, numbers, chance)
    if chance < CONVINCING:
        return Finding(Outcome.FAIL, numbers, chance)
    why = f"{numbers}: chance alone does that in {chance:.0%} of cases"
    lack = "more traffic: v2 fails too often, which may be chance"
    return Finding(Outcome.INCONCLUSIVE, why, chance, waits_for=lack)


def judge_latency(
    finding: Finding, v2: Sample, legacy: Sample, rules: TrafficGate, *, both: bool
) -> tuple[Finding, dict[str, object]]:
    """The finding with what latencies say, and their numbers. `both`: both sides have traffic by weight."""
    if finding.outcome not in {Outcome.PASS, Outcome.INCONCLUSIVE} or asked(v2) < rules.min_requests or v2.latencies.n == 0:
        return finding, {"not_compared": "not enough answers of v2"}
    slow = slowness(v2.latencies, legacy.latencies, rules)
    if slow is None:
        short = f"legacy answered {legacy.latencies.n} requests at the same time: too few to compare latencies"
        if both and finding.outcome is Outcome.PASS:
            lack = "traffic on legacy, to compare latencies with"
            finding = replace(finding, outcome=Outcome.INCONCLUSIVE, reason=f"{short}; {finding.reason}", waits_for=lack)
        return finding, {"not_compared": short}
    if slow.failed:
        reason = (
            f"v2 is much slower than legacy at the same time: {slow.slower} of {slow.of} requests took longer than "
            f"{slow.limit_ms:.3g} ms (median {slow.legacy_ms:.3g} → {slow.v2_ms:.3g} ms), allowed {rules.max_slowdown:.0%} more"
        )
        finding = Finding(Outcome.FAIL, reason.replace("median", _what(rules.quantile)), slow.chance, slow=True)
    return finding, {
        "rule": "v2's quantile <= legacy's at the same time + max_slowdown (or tolerance)",
        "v2_ms": round(slow.v2_ms, 3),
        "legacy_ms": round(slow.legacy_ms, 3),
        "limit_ms": round(slow.limit_ms, 3),
        "slower": slow.slower,
        "of": slow.of,
        "chance": slow.chance,
        "quantile": rules.quantile,
        "max_slowdown": rules.max_slowdown,
        "tolerance_s": rules.tolerance_s,
    }


def _what(q: float) -> str:
    return "median" if q == 0.5 else f"quantile {q:g}"


def asked(sample: Sample) -> int:
    """Requests that were meant for this side."""
    return sample.requests + sample.shed


def failed(sample: Sample) -> int:
    """Of those, the ones that this side did not answer well at once."""
    return sample.errors + sample.retried + sample.shed


def rate(sample: Sample) -> float:
    """Share of failures, 0 to 1; 0 where nothing was asked."""
    return failed(sample) / asked(sample) if asked(sample) else 0.0


def _numbers(sample: Sample) -> dict[str, object]:
    return {
        "requests": sample.requests,
        "errors": sample.errors,
        "retried": sample.retried,
        "shed": sample.shed,
        "rate": round(rate(sample), 6),
    }
