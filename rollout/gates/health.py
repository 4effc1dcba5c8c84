"""The health gate: `passes` of the last `looks` looks at a copy were good, over at least `over_s` seconds."""

import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
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
FOLLOWED_S = 1.0
"""v2 promises to follow a copy to another port within this time (seconds): so long a refused connection is no bad look."""
REMEMBERED = 100_000
"""So many series are kept, the latest used: bounded, and far more than moves in flight."""
SETTLED = frozenset({State.WARM, State.FINISHING, State.FINISHED})


@dataclass(slots=True)
class Series:
    """The last looks at one copy, oldest first; `first` is when the series began, `bad_since` the first bad look of those that
    followed one another with less than a whole rule of good ones between them. `refused`: since when nobody listens where the
    copy was looked for; None while somebody does."""

    first: datetime
    bad_since: datetime | None = None
    looks: deque[tuple[datetime, Finding]] = field(default_factory=deque)
    refused: datetime | None = None

    def count(self, now: datetime, found: Finding, most: int) -> None:
        """One look more; at most so many are kept."""
        self.looks.append((now, found))
        while len(self.looks) > most:
            self.looks.popleft()
        self.bad_since = None if _all_good(self) else self.bad_since or self.refused or now


class Health:
    """Fulfils executor.ports.Gate, for every kind of service, by itself and straight to the copy's addresses.

    `pass` and `inconclusive` ("2 of 3") follow the rule. `fail`: a process has ended; v2 has been restarted before `warm`; or
    so many looks were bad that the rule cannot hold, at 0 % only once the service's health time limit is over. The source
    of a fallback, which served all along, passes at its first good look. A host part that does not answer is `error`.

    A copy on v2 may leave its port for another one at any time: after a bad look `look_at_ports` is asked to find its ports
    anew, and it is looked at again if it is led elsewhere now. Refused for less than `FOLLOWED_S`, a look does not count: it
    is `inconclusive`, in warm `error`, so that nothing goes on meanwhile.

    Looks are counted in memory alone: a new driver starts afresh.
    """

    name = "health"
    proves = True

    def __init__(
        self,
        runtimes: Mapping[RuntimeName, Runtime],
        rules: HealthGate,
        ask: Ask,
        look_at_ports: Callable[[str], object] = lambda _service: None,
    ) -> None:
        self._runtimes = runtimes
        self._rules = rules
        self._ask = ask
        self._look_at_ports = look_at_ports
        self._series: OrderedDict[tuple[str, str], Series] = OrderedDict()
        self._lock = threading.Lock()

    def absent(self, _release: Release) -> str | None:
        """See Gate: it applies to all."""
        return None

    def look(self, look: Look) -> Verdict:
        """See Gate. A look that comes sooner than `every_s` after the last one asks nothing and tells how things stand."""
        series = self._current(look)
        try:
            copy = self._runtimes[look.side].inspect(look.move.service, look.token)
            found = None
            if self._is_time(series, look.now):
                copy, found = self._found(look, copy)
        except (OSError, RolloutError) as error:
            return Verdict(
                gate=self.name, outcome=Outcome.ERROR, reason=f"its copy cannot be looked at: {error}", at=look.now, evidence={}
            )
        if found is not None and self._may_be_followed(look, series, found):
            return self._not_counted(look, found, self._evidence(look, copy, series))
        if found is not None:
            series.count(look.now, found, self._rules.looks)
        outcome, reason = self._judge(look, copy, series)
        evidence, rules = self._evidence(look, copy, series), self._rules
        if outcome is Outcome.FAIL:
            evidence |= stopping(series.bad_since or look.now, look.now)
        lack = f"{rules.passes} of {rules.looks} good looks over {rules.over_s:g} s"
        return Verdict(gate=self.name, outcome=outcome, reason=reason, at=look.now, evidence=evidence, waits_for=lack)

    def _found(self, look: Look, copy: Copy | None) -> tuple[Copy | None, Finding]:
        """What one look finds, where the copy listens now."""
        spec, service = look.release.spec, look.move.service
        found = probe(copy, spec, self._rules, self._ask)
        if found.good or found.dead or copy is None or look.side is not RuntimeName.V2:
            return copy, found
        self._look_at_ports(service)
        again = self._runtimes[look.side].inspect(service, look.token)
        if again is None or again.addresses == copy.addresses:
            return copy, found
        return again, probe(again, spec, self._rules, self._ask)

    @staticmethod
    def _may_be_followed(look: Look, series: Series, found: Finding) -> bool:
        """Nobody listens where it was looked for, for less time than it may take to find where it listens now."""
        if not found.refused or look.side is not RuntimeName.V2:
            series.refused = None
            return False
        series.refused = series.refused or look.now
        return (look.now - series.refused).total_seconds() < FOLLOWED_S

    def _not_counted(self, look: Look, found: Finding, evidence: dict[str, object]) -> Verdict:
        """In warm `inconclusive` keeps nothing from going on: there the clock must stand."""
        outcome = Outcome.ERROR if look.move.state is State.WARM else Outcome.INCONCLUSIVE
        reason = f"{found.said}; where it listens now is looked for"
        return Verdict(gate=self.name, outcome=outcome, reason=reason, at=look.now, evidence=evidence)

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
