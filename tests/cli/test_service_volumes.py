"""Volumes as the command line tells of them: how many copies may mount one, and what stays of a service that is removed."""

import shlex
from pathlib import Path

import pytest

from rollout.cli.main import main
from rollout.wiring.home import Home
from rollout.wiring.host import down

COMPOSE = """
services:
  db:
    image: db:1
    volumes: [data:/data]
    deploy: {replicas: 2}
"""


def rollout(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> str:
    """What it says to a person."""
    with pytest.raises(SystemExit) as ending:
        main(["service", *words])
    told = capsys.readouterr().err
    assert ending.value.code == code, told
    return told


@pytest.fixture
def volume(home: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """Of the service shop/db, as a container would have made it."""
    rollout(capsys, "add", "shop/db", "--tier", "trial", "--image", "db:1", "--volume", "data:/data", "--volume", "/srv:/srv")
    place = home / "host/volumes/shop/data"
    place.mkdir(parents=True)
    (place / "rows").write_text("precious")
    return place


def test_it_stays_with_the_command_that_removes_it(volume: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = rollout(capsys, "remove", "shop/db", "--yes")
    (line,) = [line for line in told.splitlines() if "volume" in line]
    assert line == f"its volume data stays in {volume}: nobody mounts it; rm -r {shlex.quote(str(volume))}"
    assert (volume / "rows").read_text() == "precious"


def test_who_else_mounts_it_is_told_instead(volume: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rollout(capsys, "add", "shop/report", "--tier", "trial", "--image", "r:1", "--volume", "data:/rows:ro")
    rollout(capsys, "add", "bank/db", "--tier", "trial", "--image", "r:1", "--volume", "data:/rows")
    told = rollout(capsys, "remove", "shop/db", "--yes")
    assert f"its volume data stays in {volume}: shop/report may mount it too\n" in told


def test_one_that_was_never_mounted_is_not_told(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rollout(capsys, "add", "shop/db", "--tier", "trial", "--image", "db:1", "--volume", "data:/data")
    assert "volume" not in rollout(capsys, "remove", "shop/db", "--yes")


def test_nor_is_one_deployed_that_a_file_brought(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Compose lets copies share a volume: the import takes it over as it is written."""
    (home.parent / "compose.yaml").write_text(COMPOSE)
    rollout(capsys, "import", str(home.parent / "compose.yaml"), "--tier", "trial", "--customer", "acme")
    try:
        told = rollout(capsys, "deploy", "db", code=2)
    finally:
        down(Home(home))
    assert "2 replicas, and only one copy at a time may mount data:/data" in told


def test_two_copies_that_would_write_to_one_are_refused(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("add", "shop/db", "--tier", "trial", "--image", "db:1", "--replicas", "2", "--volume")
    told = rollout(capsys, *words, "data:/data", code=2)
    assert "2 replicas, and only one copy at a time may mount data:/data" in told
    rollout(capsys, *words, "data:/data:ro")
    rollout(capsys, "set", "shop/db", "--volume", "data:/data", code=2)
    rollout(capsys, "set", "shop/db", "--volume", "data:/data", "--replicas", "1")
    rollout(capsys, "set", "shop/db", "--replicas", "3", code=2)
