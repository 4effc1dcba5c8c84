"""Killed while a way out is made or ended: the next process makes it whole, or removes it."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from rollout.network.inside import inside
from rollout.network.mesh.marks import mark_of
from rollout.network.mesh.mesh import Mesh
from tests.network.mesh.mesh_rigs import echo, instance, mesh_of, refused, talk, traces
from tests.network.mesh.test_mesh_egress import OUTSIDE, cable, seen
from tests.network.mesh.test_mesh_killed import die_after

OPENING = [
    ("noted", 1),
    ("half the way out", 1),
    ("forwarded", 1),
    ("rules", 2),
    ("half the way out", 2),
    ("led out", 1),
    ("member led out", 1),
]
CLOSING = [("link removed", 1), ("put back", 1), ("rules", 1)]


def act(mesh: Mesh, what: str, *arguments: str) -> Any:
    if what == "egress":
        return mesh.set_egress("prod", egress=arguments == ("open",))
    if what == "prepare":
        return mesh.prepare(instance("one")).namespace
    return {"keep": lambda: mesh.keep({"one.0"}), "forget": lambda: mesh.keep(()), "close": mesh.close}[what]()


def serve() -> None:
    """What runs in the host's network: each line is done by a mesh of its own; `doom` by a child, which is killed on the way."""
    for line in sys.stdin:
        home, what, *arguments = json.loads(line)
        if what != "doom":
            print(json.dumps(act(mesh_of(Path(home)), what, *arguments)), flush=True)
            continue
        place, times, wish = arguments
        child = os.fork()
        if not child:
            die_after(place, times)
            act(mesh_of(Path(home)), "egress", wish)
            os._exit(0)
        print(json.dumps(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])), flush=True)


class Machine:
    """A host with the outside at the other end of its cable, and a home on it."""

    def __init__(self, process: "subprocess.Popen[str]", host: str) -> None:
        self._process = process
        self.host = host
        self.home = Path()

    def __call__(self, what: str, *arguments: object) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps([str(self.home), what, *arguments]), file=self._process.stdin, flush=True)
        return json.loads(self._process.stdout.readline())


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    code = "from tests.network.mesh.test_mesh_egress_killed import serve; serve()"
    with ExitStack() as stack:
        here, outside = stack.enter_context(cable(mark_of(tmp_path_factory.mktemp("cable"))))
        for address in OUTSIDE.values():
            stack.enter_context(echo(outside, address))
        command = ["nsenter", f"--net={here}", sys.executable, "-c", code]
        process = stack.enter_context(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
        assert process.stdin is not None
        stack.callback(process.stdin.close)
        yield Machine(process, here)


@pytest.fixture
def machine(shared: Machine, tmp_path: Path) -> Iterator[Machine]:
    """With a home of the test's own, of which nothing is left."""
    shared.home, before = tmp_path, seen(shared.host)
    yield shared
    shared("close")
    assert seen(shared.host) == before
    with inside(shared.host):
        assert traces(mark_of(tmp_path / "host/mesh")) == []


def open_to_the_outside(namespace: str) -> bool:
    return [talk(namespace, address) for address in OUTSIDE.values()] == [b"hello"] * len(OUTSIDE)


@pytest.mark.parametrize(("place", "times"), OPENING)
def test_the_next_one_goes_on_or_takes_all_of_it_back(machine: Machine, place: str, times: int) -> None:
    one = machine("prepare")
    closed = seen(machine.host)
    assert machine("doom", place, times, "open") == -signal.SIGKILL
    said = machine("keep")
    assert said != []
    assert open_to_the_outside(one)
    assert machine("keep") == []
    whole = seen(machine.host)
    machine("egress", "closed")
    assert seen(machine.host) == closed != whole
    machine("egress", "open")
    assert seen(machine.host) == whole


@pytest.mark.parametrize(("place", "times"), OPENING[::3])
def test_the_next_one_may_not_want_it_any_more(machine: Machine, place: str, times: int) -> None:
    before = seen(machine.host)
    one = machine("prepare")
    closed = seen(machine.host)
    assert machine("doom", place, times, "open") == -signal.SIGKILL
    machine("egress", "closed")
    machine("keep")
    assert seen(machine.host) == closed
    assert all(refused(one, address) for address in OUTSIDE.values())
    assert machine("doom", place, times, "open") == -signal.SIGKILL
    machine("forget")
    assert seen(machine.host) == before, "with its room it goes"


@pytest.mark.parametrize(("place", "times"), CLOSING)
def test_what_was_being_ended_is_ended(machine: Machine, place: str, times: int) -> None:
    one = machine("prepare")
    closed = seen(machine.host)
    machine("egress", "open")
    assert open_to_the_outside(one)
    assert machine("doom", place, times, "closed") == -signal.SIGKILL
    machine("keep")
    assert seen(machine.host) == closed
    assert machine("keep") == []
    assert all(refused(one, address) for address in OUTSIDE.values())
