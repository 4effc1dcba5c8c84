"""The health gate: `passes` of the last `looks` looks at a copy were good, over at least `over_s` seconds."""

import threading
from collections import OrderedDict, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from rollout.errors import RolloutError
from rollout.executor.ports import Copy, Look, Runtime
from rollout.gates.probe import Ask, Finding, probe
from rollout.gates.stopping import stopping
from rollout.model.fleet import Release, RuntimeName
from rollout.model.policy import HealthGate
from rollout.model.state import State
from rollout.model.verdict import Outcome, Verdict

FORGET_AFTER_S = 60.0
"""Looks that are older say nothing any more (seconds): after a pause or with a new driver the series starts afresh."""
REMEMBERED = 100_000
"""So many series are kept, the latest used: bounded, and far more than moves in flight."""
SETTLED = frozenset({State.WARM, State.FINISHING, State.FINISHED})


@dataclass(slots=True)
class Series:
    """The last looks at one copy, oldest first; `first` is when the series began, `bad_since` the first bad look of those that
    followed one another with less than a whole rule of good ones between them."""

    first: datetime
    bad_since: datetime | None = None
    looks: deque[tuple[datetime, Finding]] = field(default_factory=deque)


class Health:
    """Fulfils executor.ports.Gate, for every kind of service, by itself and straight to the copy's addresses.

    `pass` and `inconclusive` ("2 of 3") follow the rule. `fail`: a process has ended; v2 has been restarted before `warm`; or
    so many looks were bad that the rule cannot hold, at 0 % only once the service's health time limit is over. The source
    of a fallback, which served all along, passes at its first good look. A host part that does not answer is `error`.

    Looks are counted in memory alone: a new driver starts afresh.
    """

    name = "health"
    proves = True

    def __init__(self, runtimes: Mapping[RuntimeName, Runtime], rules: HealthGate, ask: Ask) -> None:
        self._runtimes = runtimes
        self._rules = rules
        self._ask = ask
        self._series: OrderedDict[tuple[str, str], Series] = OrderedDict()
        self._lock = threading.Lock()

    def absent(self, _release: Release) -> str | None:
        """See Gate: it applies to all."""
        return None

    def look(self, look: Look) -> Verdict:
        """See Gate. A look that comes sooner than `every_s` after the last one asks nothing and tells how things stand."""
        try:
            copy = self._runtimes[look.side].inspect(look.move.service, look.token)
        except (OSError, RolloutError) as error:
            return Verdict(
                gate=self.name, outcome=Outcome.ERROR, reason=f"its copy cannot be looked at: {error}", at=look.now, evidence={}
            )
        series = self._current(look)
        if self._is_time(series, look.now):
            found = probe(copy, look.release.spec, self._rules, self._ask)
            series.looks.append((look.now, found))
            while len(series.looks) > self._rules.looks:
                series.looks.popleft()
            series.bad_since = None if _all_good(series) else series.bad_since or look.now
        outcome, reason = self._judge(look, copy, series)
        evidence, rules = self._evidence(look, copy, series), self._rules
        if outcome is Outcome.FAIL:
            evidence |= stopping(series.bad_since or look.now, look.now)
        lack = f"{rules.passes} of {rules.looks} good looks over {rules.over_s:g} s"
        return Verdict(gate=self.name, outcome=outcome, reason=reason, at=look.now, evidence=evidence, waits_for=lack)

    def _current(self, look: Look) -> Series:
        key = (look.side.value, f"{look.move.id} {look.token}")
        with self._lock:
            series = self._series.pop(key, None)
            if series is None or _age(series, look.now) > FORGET_AFTER_S:
                series = Series(look.now)
            self._series[key] = series
            while len(self._series) > REMEMBERED:
                self._series.popitem(last=False)
        return series

    def _is_time(self, series: Series, now: datetime) -> bool:
        return not series.looks or series.looks[-1][1].dead or _age(series, now) >= self._rules.every_s

    def _judge(self, look: Look, copy: Copy | None, series: Series) -> tuple[Outcome, str]:
        rules, last = self._rules, series.looks[-1][1]
        is_source = look.side is not look.move.target
        if last.dead:
            return Outcome.FAIL, last.said
        if copy is not None and copy.restarts and not is_source and look.move.state not in SETTLED:
            return Outcome.FAIL, f"it was restarted since its launch ({copy.restarts} times)"
        good = sum(found.good for _, found in series.looks)
        numbers = f"{good} of {len(series.looks)} looks good, {rules.passes} of {rules.looks} needed: {last.said}"
        if is_source and last.good:
            return Outcome.PASS, last.said
        if len(series.looks) - good > rules.looks - rules.passes:
            return self._too_many_bad(look, numbers)
        span = (look.now - series.first).total_seconds()
        if good >= rules.passes and span >= rules.over_s:
            return Outcome.PASS, f"{numbers}, over {span:.1f} s"
        return Outcome.INCONCLUSIVE, f"{numbers}, {span:.1f} of {rules.over_s:g} s"

    def _too_many_bad(self, look: Look, numbers: str) -> tuple[Outcome, str]:
        waited, limit = (look.now - look.since).total_seconds(), look.release.spec.health_timeout_s
        if look.move.state is State.PROVING and look.side is look.move.target and waited < limit:
            return Outcome.INCONCLUSIVE, f"{numbers}, {waited:.1f} of {limit:g} s to become healthy"
        return Outcome.FAIL, numbers

    def _evidence(self, look: Look, copy: Copy | None, series: Series) -> dict[str, object]:
        rules = self._rules
        return {
            "side": look.side.value,
            "token": look.token,
            "rule": f"{rules.passes} of the last {rules.looks} looks good, over at least {rules.over_s:g} s",
            "looks": [{"at": at.isoformat(timespec="microseconds"), "good": f.good, "said": f.said} for at, f in series.looks],
            "good": sum(found.good for _, found in series.looks),
            "needed": rules.passes,
            "path": look.release.spec.health_path,
            "status_max": rules.status_max,
            "body_contains": rules.body_contains,
            "replicas": f"{copy.running} of {copy.wanted}" if copy else "none",
            "restarts": copy.restarts if copy else 0,
        }


def _all_good(series: Series) -> bool:
    return all(found.good for _, found in series.looks)


def _age(series: Series, now: datetime) -> float:
    return (now - series.looks[-1][0]).total_seconds() if series.looks else 0.0
