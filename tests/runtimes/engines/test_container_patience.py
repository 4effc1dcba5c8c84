"""An engine that hangs is told as such: whoever asks the host part waits longer than the host part waits for the engine."""

from pathlib import Path

import pytest

from rollout.contract.engine import spec_of
from rollout.host import client
from rollout.host.client import Client
from rollout.host.ports import HostPart
from rollout.runtimes.engines import container_api, containers, maker, sandboxes

MARGIN_S = 20.0
"""What else the host part does, and a restart of the engine that it rides out."""
WAITS = {
    "reserve": container_api.USUAL_S,
    "start": max(maker.CREATE_S, containers.START_S, maker.REMOVE_S, sandboxes.START_S, sandboxes.LOAD_S),
    "stop": containers.STOP_S,
    "forget": maker.REMOVE_S,
}


class Asked(Client):
    """Notes how long it would wait."""

    def _ask(self, method: str, *, answer_s: float = client.ANSWER_S, **arguments: object) -> int:
        self.waits = {**getattr(self, "waits", {}), method: answer_s}
        return 0


@pytest.mark.parametrize("method", list(WAITS))
def test_the_host_part_is_given_the_time(tmp_path: Path, method: str) -> None:
    asked = Asked(tmp_path, "1")
    host: HostPart = asked
    {
        "reserve": lambda: host.reserve(spec_of(("true",)), 1),
        "start": lambda: host.start(spec_of(("true",)), 1),
        "stop": lambda: host.stop("a.0", 0, 1),
        "forget": lambda: host.forget("a.0", 1),
    }[method]()
    assert asked.waits[method] >= WAITS[method] + MARGIN_S
