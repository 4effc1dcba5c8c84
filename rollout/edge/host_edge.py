"""The engine's edge: asks the host part, which holds the proxy and the fence."""

from collections.abc import Mapping

from rollout.errors import UsageError
from rollout.host.ports import HostPart
from rollout.model.fleet import RuntimeName


class HostEdge:
    """Fulfils executor.ports.Edge. Errors are the host part's: FencedError, HostGoneError."""

    def __init__(self, host: HostPart) -> None:
        self._host = host

    def weigh(self, service: str, weights: Mapping[RuntimeName, int], fence: int) -> None:
        """See Edge. UsageError for weights that do not add up to 100."""
        legacy, v2 = weights.get(RuntimeName.LEGACY, 0), weights.get(RuntimeName.V2, 0)
        if legacy + v2 != 100 or min(legacy, v2) < 0:
            raise UsageError(f"{service}: weights must add up to 100 %, not legacy {legacy} + v2 {v2}")
        self._host.weigh(service, host_name(service), v2, fence)

    def in_flight(self, service: str, runtime: RuntimeName) -> int:
        """See Edge."""
        return self._host.in_flight(service, runtime)

    def withdraw(self, service: str, fence: int) -> None:
        """See Edge."""
        self._host.withdraw(service, fence)


def host_name(service: str) -> str:
    """By the id `environment/name` of a service: the name under which the edge knows it."""
    environment, _, name = service.partition("/")
    return f"{name}.{environment}.internal"
