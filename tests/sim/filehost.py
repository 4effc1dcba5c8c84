"""A host in one file, shared by driver processes that get killed: copies, weights and the fence outlive them."""

import fcntl
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rollout.errors import FencedError
from rollout.executor.ports import Copy, Order
from rollout.model.fleet import RuntimeName


class FileHost:
    """`before`: called with the name of each change before the fence is asked."""

    def __init__(self, path: Path, before: Callable[[str], None] = lambda _: None) -> None:
        self.path = path
        self.before = before

    @contextmanager
    def state(self, service: str, fence: int) -> Iterator[dict[str, Any]]:
        with self.path.open("r+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            state = json.load(file)
            if fence < state["fences"].get(service, 0):
                raise FencedError(f"{service}: taken over by lease {state['fences'][service]}")
            state["fences"][service] = fence
            yield state
            file.seek(0)
            file.truncate()
            json.dump(state, file)

    def read(self) -> dict[str, Any]:
        return json.loads(self.path.read_text())


class FileRuntime:
    def __init__(self, host: FileHost, name: RuntimeName) -> None:
        self.host = host
        self.name = name

    def publish(self, order: Order) -> None:
        self.host.before("publish")

    def unpublish(self, order: Order) -> None:
        self.host.before("unpublish")

    def launch(self, order: Order) -> Copy:
        self.host.before("launch")
        with self.host.state(order.service, order.fence) as state:
            state["copies"][order.token] = [order.service, self.name]
            state["launches"].append(order.token)
        return self._copy(order.service, order.token)

    def inspect(self, service: str, token: str) -> Copy | None:
        return self._copy(service, token) if token in self.host.read()["copies"] else None

    def stop(self, order: Order) -> None:
        self.host.before("stop")
        with self.host.state(order.service, order.fence) as state:
            state["copies"].pop(order.token, None)

    def tail(self, service: str, token: str, lines: int = 50) -> Sequence[str]:
        return []

    def _copy(self, service: str, token: str) -> Copy:
        return Copy(service=service, runtime=self.name, token=token, running=1, wanted=1)


class FileEdge:
    def __init__(self, host: FileHost) -> None:
        self.host = host

    def weigh(self, service: str, weights: Mapping[RuntimeName, int], fence: int) -> None:
        self.host.before("weigh")
        with self.host.state(service, fence) as state:
            assert sum(weights.values()) == 100
            state["weights"][service] = dict(weights)

    def in_flight(self, service: str, runtime: RuntimeName) -> int:
        return 0

    def withdraw(self, service: str, fence: int) -> None:
        self.host.before("withdraw")
