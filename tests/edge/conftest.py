"""A real Envoy on a free port, ended by its pid, and copies that answer as told."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rollout.contract.edge_rig import HttpCopy, RunningEdge
from rollout.edge.settings import EdgeSettings
from tests.edge.rooms_rig import RealRoom, room


@pytest.fixture
def copies() -> Iterator[Callable[[str], HttpCopy]]:
    """Makes copies; all end with the test."""
    with contextlib.ExitStack() as stack:

        def start(name: str) -> HttpCopy:
            copy = HttpCopy(name)
            stack.callback(copy.end)
            return copy

        yield start


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningEdge]:
    """One Envoy with retries for all tests that only need a name of their own."""
    with RunningEdge(tmp_path_factory.mktemp("edge") / "edge") as world:
        yield world


@pytest.fixture(scope="session")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningEdge]:
    """One Envoy without retries: every failure of a copy is seen by the client."""
    with RunningEdge(tmp_path_factory.mktemp("plain") / "edge", EdgeSettings(retries=False)) as world:
        yield world


@pytest.fixture
def edge(tmp_path: Path) -> Iterator[RunningEdge]:
    """An Envoy of the test's own, with retries."""
    with RunningEdge(tmp_path / "edge") as world:
        yield world


@pytest.fixture
def bank() -> Iterator[RealRoom]:
    """A real namespace of an environment of its own."""
    with room(2, "bank") as made:
        yield made


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """A host name that no other test uses."""
    test = request.node.name.replace("_", "-").replace("[", "-").replace("]", "").lower()
    return f"{test[:60].strip('-')}.test.internal"
