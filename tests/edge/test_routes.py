"""Route files: what is written is what is read, nothing half, also when the disk is full."""

import errno
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from rollout.contract.edge_rig import HttpCopy, RunningEdge
from rollout.edge.listeners import lua_string
from rollout.edge.routes import BLOCK, Routes, line_of
from rollout.edge.settings import EdgeSettings
from rollout.errors import BrokenError, UsageError
from rollout.host.ports import Route

NAME = "api.shop.internal"


def route(weight: int = 10, *, legacy: tuple[str, ...] = ("127.0.0.1:1",), v2: tuple[str, ...] = ("127.0.0.1:2",)) -> Route:
    return Route(host_name=NAME, legacy=legacy, v2=v2, weight=weight)


@pytest.fixture
def routes(tmp_path: Path) -> Routes:
    made = Routes(tmp_path / "routes")
    made.prepare()
    return made


@pytest.mark.parametrize(
    "written",
    [
        route(),
        route(0, v2=()),
        route(100, legacy=()),
        route(50, legacy=(), v2=()),
        route(1, legacy=("127.0.0.1:1", "127.0.0.1:3"), v2=("[fd00:a::1:0:1]:8080", "10.0.0.1:65535")),
        route(1, legacy=tuple(f"127.0.0.1:{port}" for port in range(10_000, 10_500))),
        replace(route(), environment="shop", address="fd12:3456:789a:1:5::7"),
        replace(route(), environment="a-b", address="fd00::5", spares={"127.0.0.1:2": "[fd00::1]:80"}),
    ],
)
def test_what_is_written_is_read(routes: Routes, written: Route) -> None:
    routes.write(written)
    assert routes.read(NAME) == written
    assert routes.names() == [NAME]
    routes.remove(NAME)
    routes.remove(NAME)
    assert routes.read(NAME) is None


@pytest.mark.parametrize(
    "bad",
    [
        Route(host_name="../x", legacy=(), v2=(), weight=0),
        Route(host_name=".spare", legacy=(), v2=(), weight=0),
        Route(host_name="a b", legacy=(), v2=(), weight=0),
        Route(host_name="UPPER.internal", legacy=(), v2=(), weight=0),
        route(101),
        route(-1),
        route(legacy=("localhost:80",)),
        route(legacy=("127.0.0.1:1,127.0.0.1:2",)),
        route(v2=("127.0.0.1:2 100 ;\n",)),
        replace(route(), environment="shop", address="fd00:0::5"),
        replace(route(), environment="shop", address="FD00::5"),
        replace(route(), environment="shop", address="10.0.0.5"),
        replace(route(), environment="shop", address="../x"),
        replace(route(), environment="shop ;", address="fd00::5"),
        replace(route(), environment="", address="fd00::5"),
    ],
)
def test_a_route_that_the_edge_could_misread_is_refused(routes: Routes, bad: Route) -> None:
    with pytest.raises(UsageError):
        routes.write(bad)
    assert routes.names() == []


@pytest.mark.parametrize("text", ["", "half", f"{NAME} - - 0", "other.internal - - 0 ;\n", f"{NAME} - - x ;\n"])
def test_a_file_that_holds_no_route_is_named(routes: Routes, text: str) -> None:
    (routes.folder / NAME).write_text(text)
    with pytest.raises(BrokenError, match=NAME):
        routes.read(NAME)


def test_outside_of_rooms_the_line_is_the_same_whatever_its_environment() -> None:
    assert line_of(replace(route(), environment="shop")) == line_of(route()) == f"{NAME} 127.0.0.1:1 127.0.0.1:2 10 ;\n"


def test_two_writes_of_one_route_leave_the_same_bytes(routes: Routes) -> None:
    routes.write(route())
    first = (routes.folder / NAME).read_bytes()
    routes.write(route())
    assert (routes.folder / NAME).read_bytes() == first
    assert len(first) == BLOCK


def test_without_room_for_a_new_file_the_spare_is_used(routes: Routes, monkeypatch: pytest.MonkeyPatch) -> None:
    routes.write(route(0))
    real = os.open

    def full(path: str | Path, flags: int, *rest: int) -> int:
        if flags & os.O_CREAT:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(path, flags, *rest)

    with monkeypatch.context() as patched:
        patched.setattr("rollout.edge.routes.os.open", full)
        for weight in (100, 0, 50):
            routes.write(route(weight))
            assert routes.read(NAME) == route(weight)
        with pytest.raises(BrokenError, match="No space left"):
            routes.write(Route(host_name="new.shop.internal", legacy=(), v2=(), weight=0))
    assert routes.names() == [NAME]
    assert sorted(os.listdir(routes.folder)) == [".spare", NAME]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 256 kB, in memory."""
    path = tmp_path / "small"
    path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "rollout-test", str(path)], check=True)
    try:
        yield path
    finally:
        subprocess.run(["umount", "--lazy", str(path)], check=True)


def fill(disk: Path) -> None:
    """Not one byte is left."""
    with suppress(OSError), (disk / "filler").open("wb", buffering=0) as file:
        while True:
            file.write(b"x" * 512)
    with pytest.raises(OSError, match="No space left"):
        (disk / "one").write_bytes(b"x")
    (disk / "one").unlink(missing_ok=True)


def test_on_a_full_disk_traffic_still_goes_back(small_disk: Path, copies: Callable[[str], HttpCopy]) -> None:
    world = RunningEdge(small_disk / "edge", EdgeSettings(retries=False))
    world.output = small_disk.parent / "edge.out"
    try:
        world.start()
        legacy, v2 = copies("legacy"), copies("v2")
        at = {"host_name": NAME, "legacy": (legacy.address,), "v2": (v2.address,)}
        world.edge.write(Route(**at, weight=100))
        fill(small_disk)
        with world.client(NAME) as client:
            assert client.get("/").text == "v2"
            for weight, answer in [(0, "legacy"), (100, "v2"), (0, "legacy")] * 3:
                world.edge.write(Route(**at, weight=weight))
                assert client.get("/").text == answer
            v2.status = 500
            world.edge.write(Route(**at, weight=100))
            statuses = [client.get("/").status_code for _ in range(20)]
            assert 3 <= statuses.count(500) <= 6, "each worker remembers by itself what it cannot write down"
    finally:
        world.close()


def test_a_path_becomes_a_lua_string() -> None:
    assert lua_string('/a "b"\\c/ü/') == '"/a \\"b\\"\\\\c/ü/"'
    with pytest.raises(ValueError, match="control"):
        lua_string("/a\nb/")
