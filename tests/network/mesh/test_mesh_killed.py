"""Killed at any point: the next process finds all of it, and either goes on or leaves nothing."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rollout.network.mesh import links, member, namespaces, outlets, rules
from rollout.network.mesh.forwarding import Forwarding
from rollout.network.mesh.mesh import Mesh
from rollout.network.mesh.state import State
from rollout.network.mesh.userspace import UserspaceTunnels
from tests.network.mesh.mesh_rigs import echo, instance, mesh_of, talk, traces

PLACES: dict[str, tuple[object, str]] = {
    "namespace": (namespaces, "make"),
    "tunnel": (UserspaceTunnels, "start"),
    "settings": (UserspaceTunnels, "write"),
    "moved": (links, "move"),
    "dressed": (links, "dress"),
    "rules": (rules, "apply"),
    "joined": (State, "mark_joined"),
    "ended": (UserspaceTunnels, "end"),
    "dropped": (namespaces, "drop"),
    "noted": (Forwarding, "hold"),
    "half the way out": (outlets, "_dress"),
    "forwarded": (Forwarding, "allow"),
    "led out": (outlets, "_lead_out"),
    "member led out": (member, "lead_member"),
    "link removed": (links, "remove_one"),
    "put back": (Forwarding, "put_back"),
}


def die_after(place: str, times: int) -> None:
    """From now on this process is killed when it has done that so often."""
    owner, name = PLACES[place]
    real: Callable[..., object] = getattr(owner, name)
    left = [times]

    def fatal(*arguments: object, **named: object) -> object:
        result = real(*arguments, **named)
        left[0] -= 1
        if not left[0]:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(owner, name, fatal)


def serve() -> None:
    """What runs in the process of `doomed`: one child a line, which is killed on the way."""
    for line in sys.stdin:
        what, home, place, times = json.loads(line)
        child = os.fork()
        if not child:
            die_after(place, times)
            {"prepare": prepare, "leave": leave}[what](Path(home))
            os._exit(0)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


Run = Callable[[str, Path, str, int], None]


@pytest.fixture(scope="module")
def doomed() -> Iterator[Run]:
    """Does something in a process of its own, which is killed after it has done something for the nth time."""
    code = "from tests.network.mesh.test_mesh_killed import serve; serve()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        said, heard = process.stdin, process.stdout

        def run(what: str, home: Path, place: str, times: int) -> None:
            print(json.dumps([what, str(home), place, times]), file=said, flush=True)
            assert int(heard.readline()) == -signal.SIGKILL

        yield run
        said.close()


def prepare(home: Path) -> None:
    mesh_of(home).prepare(instance("one"))


def leave(home: Path) -> None:
    mesh = mesh_of(home)
    mesh.leave("one.0")
    mesh.close()


WHILE_JOINING = [
    ("namespace", 1),
    ("namespace", 2),
    ("tunnel", 1),
    ("settings", 1),
    ("moved", 1),
    ("rules", 1),
    ("joined", 1),
    ("tunnel", 2),
    ("settings", 2),
    ("moved", 2),
    ("dressed", 2),
]
LEAVING = [("ended", 1), ("dropped", 1), ("ended", 2), ("dropped", 2)]


@pytest.mark.parametrize(("place", "times"), WHILE_JOINING)
def test_nothing_is_left_of_one_that_was_being_prepared(mesh: Mesh, tmp_path: Path, doomed: Run, place: str, times: int) -> None:
    doomed("prepare", tmp_path, place, times)
    assert traces(mesh.mark) != []
    again = mesh_of(tmp_path)
    again.keep(())
    assert traces(mesh.mark) == []
    assert again.member("one.0") is None


@pytest.mark.parametrize(("place", "times"), WHILE_JOINING[1::3])
def test_it_goes_on_where_it_was_killed(mesh: Mesh, tmp_path: Path, doomed: Run, place: str, times: int) -> None:
    doomed("prepare", tmp_path, place, times)
    again = mesh_of(tmp_path)
    again.keep({"one.0"})
    one = again.prepare(instance("one"))
    with echo(one.namespace, "::"):
        assert talk(again.prepare(instance("other")).namespace, one.address) == b"hello"


@pytest.mark.parametrize(("place", "times"), LEAVING)
def test_nothing_is_left_of_one_that_was_leaving(mesh: Mesh, tmp_path: Path, doomed: Run, place: str, times: int) -> None:
    mesh.prepare(instance("one"))
    doomed("leave", tmp_path, place, times)
    mesh_of(tmp_path).close()
    assert traces(mesh.mark) == []
