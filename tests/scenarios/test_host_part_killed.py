"""The host part is killed in the middle of a wave: the wave finishes, and no request is lost."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from rollout.host.shim_state import read
from rollout.wiring.host_desk import keeper
from rollout.wiring.seen import HOST_PART
from tests.scenarios.driver import until
from tests.scenarios.test_without_store import Stage


@pytest.fixture
def stage(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    monkeypatch.setenv("NO_COLOR", "1")
    made = Stage(home)
    yield made
    made.close()


@pytest.mark.timeout(400)
def test_in_the_middle_of_a_wave(stage: Stage) -> None:
    where = keeper(stage.home.path).folder / HOST_PART
    old = read(where)
    assert old is not None
    os.kill(old.pid, signal.SIGKILL)
    stage.go_on()
    assert stage.driver.ends() == 0, stage.driver.err
    assert stage.driver.out[-1].startswith("wave-1: 2 warm")
    until(lambda: (now := read(where)) is not None and now.pid not in {0, old.pid})
    for load in stage.loads:
        assert set(load.end()) == {"200"}
