"""The engine `memory` on a real store: what the store says runs, runs; what is to go wrong stands in a service's labels."""

from dataclasses import fields

from rollout.errors import UsageError
from rollout.executor.ports import Clock, Gate
from rollout.model.fleet import Footing, Release, RuntimeName
from rollout.model.policy import Policy
from rollout.runtimes.memory import Fault, MemoryHealth, MemoryHost, MemoryTraffic, memory_edge, memory_runtimes
from rollout.runtimes.memory_performance import MemoryPerformance
from rollout.wiring.engines import Parts

LABEL = "fault."
_KINDS = {f.name: f.type for f in fields(Fault)}


class MemoryEngine:
    """Services of the engine `memory`, as they stood in the store when they were adopted."""

    def __init__(self, clock: Clock, policy: Policy) -> None:
        self._known: set[str] = set()
        self.at_once: set[str] = set()
        self.host = MemoryHost(clock=clock)
        gates: tuple[Gate, ...] = (MemoryHealth(self.host), MemoryTraffic(self.host), *comparing(self.host, policy))
        self.parts = Parts(
            runtimes=memory_runtimes(self.host), edge=memory_edge(self.host), gates={gate.name: gate for gate in gates}
        )

    def adopt(self, service: str, footing: Footing) -> None:
        """The service's copies, and what is to go wrong with it, are there. Only the first time: then memory is the truth."""
        if service in self._known:
            return
        self._known.add(service)
        for placement in footing.placements:
            release = footing.releases.get(placement.release)
            if release is not None:
                self.host.adopt(release, placement)
                self.host.faults.update(faults(release))
        if not any(self.host.fault(service, runtime).hangs for runtime in RuntimeName):
            self.at_once.add(service)


def comparing(host: MemoryHost, policy: Policy) -> tuple[Gate, ...]:
    """The gates in memory that hold v2 against legacy, as far as the policy asks for them."""
    return (MemoryPerformance(host, policy.performance),) if policy.performance is not None else ()


def faults(release: Release) -> dict[tuple[str, RuntimeName], Fault]:
    """What is to go wrong with a release, on each side."""
    return {(release.service, runtime): fault(release, runtime) for runtime in RuntimeName}


def fault(release: Release, runtime: RuntimeName) -> Fault:
    """What labels such as `fault.v2.errs=yes` and `fault.v2.launch_fails=no module` say. UsageError for an unknown one."""
    found: dict[str, object] = {}
    prefix = f"{LABEL}{runtime}."
    for label, value in release.spec.labels.items():
        if label.startswith(prefix):
            name = label.removeprefix(prefix)
            if name not in _KINDS:
                raise UsageError(f"{release.service}: {label} is no fault; there are {', '.join(_KINDS)}")
            found[name] = _value(str(_KINDS[name]), value)
    return Fault(**found)  # type: ignore[arg-type]  # the values were made to fit their fields


def _value(kind: str, text: str) -> object:
    if "float" in kind:
        return float(text)
    return text.lower() in {"1", "yes", "true", "on"} if "bool" in kind else text
