"""A performance gate that asks the host's memory."""

from rollout.executor.ports import Look
from rollout.model.fleet import Kind, Release, RuntimeName
from rollout.model.policy import PerformanceGate
from rollout.model.verdict import Outcome, Verdict
from rollout.runtimes.memory import MemoryHost


class MemoryPerformance:
    """Knows what a measurement would find: the fault `slower` of v2, against the policy's limit."""

    name = "performance"
    proves = False

    def __init__(self, host: MemoryHost, rules: PerformanceGate) -> None:
        self._host = host
        self._rules = rules

    def absent(self, release: Release) -> str | None:
        """It needs requests."""
        return None if release.spec.kind is Kind.HTTP else "it gets no requests"

    def look(self, look: Look) -> Verdict:
        """Fail where v2 is slower than it may be, inconclusive where nobody asks it."""
        fault = self._host.fault(look.move.service, RuntimeName.V2)
        allowed = self._rules.max_slowdown
        if fault.silent and not look.probe:
            outcome, reason = Outcome.INCONCLUSIVE, f"0 of {self._rules.min_requests} requests"
        else:
            outcome = Outcome.FAIL if fault.slower > allowed else Outcome.PASS
            reason = f"v2 is {fault.slower:.0%} slower than legacy, allowed {allowed:.0%}"
        evidence = {"slowdown": fault.slower, "max_slowdown": allowed, "instrument": "memory"}
        return Verdict(gate=self.name, outcome=outcome, reason=reason, at=look.now, evidence=evidence)
