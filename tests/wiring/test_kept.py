"""What the host part keeps for itself, for real: the scheduler comes back, the edge has its port and its configuration."""

import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from rollout.cli.main import main
from rollout.contract.engine import until
from rollout.edge.envoy import EnvoyEdge
from rollout.host.lock import locked
from rollout.wiring import host
from rollout.wiring.home import Home
from rollout.wiring.host_desk import keeper
from rollout.wiring.seen import folder
from tests.wiring.test_host import ours, state


@pytest.fixture
def at(home: Path) -> Iterator[Home]:
    at = Home(home)
    yield at
    host.down(at)
    until(lambda: ours(at) == [])


def schedulers(at: Home) -> list[int]:
    return [process.pid for process in ours(at) if _words(process)[-1:] == ["scheduler"]]


def _words(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:  # it ended between two looks
        return []


def test_a_scheduler_whose_shim_is_killed_comes_back_once_and_one_that_was_ended_does_not(at: Home) -> None:
    host.up(at, scheduler=True)
    old = state(at, "scheduler")
    os.kill(old.shim, signal.SIGKILL)
    until(lambda: (now := state(at, "scheduler")).pid not in {0, old.pid} and schedulers(at) == [now.pid])
    host.up(at, scheduler=False)
    assert schedulers(at) == []
    shim = state(at).shim
    os.kill(shim, signal.SIGKILL)
    until(lambda: not host.running(at))
    host.host_part(at)
    tended(at)
    assert schedulers(at) == []


def tended(at: Home) -> None:
    """The host part has looked after what it keeps: it brought back the names."""
    old = state(at, "dns")
    os.kill(old.shim, signal.SIGKILL)
    until(lambda: state(at, "dns").pid not in {0, old.pid})


def test_an_edge_port_that_another_program_has_is_one_clear_error(at: Home, capsys: pytest.CaptureFixture[str]) -> None:
    edge = host.up(at, scheduler=False).edge
    host.down(at)
    name, _, port = edge.rpartition(":")
    with socket.create_server((name, int(port))):
        with pytest.raises(SystemExit) as ended:
            main(["up", "--no-scheduler"])
        assert ended.value.code == 1
        said = capsys.readouterr().err
        assert f"the edge cannot listen on {edge}: Address already in use" in said.splitlines()[0]
        assert "the edge is not running; routes and weights are kept" in said
        assert f"remove {folder(at.path) / 'edge' / 'port'}" in said
        assert not host.running(at)
    assert host.up(at, scheduler=False).edge == edge


def test_an_edge_with_another_configuration_is_started_again(at: Home) -> None:
    host.up(at, scheduler=False)
    before, part = state(at, "edge"), state(at)
    config = folder(at.path) / "edge" / "bootstrap.json"
    config.write_text(config.read_text() + "\n")
    os.kill(part.shim, signal.SIGKILL)
    until(lambda: not host.running(at))
    assert locked(keeper(at.path).folder / "edge")
    host.host_part(at)
    assert state(at, "edge").pid not in {0, before.pid}
    with EnvoyEdge(folder(at.path) / "edge") as edge:
        assert edge.ready()
