"""`doctor --clean`: leftovers of this home are told, asked for and removed; another home's and what is wanted are not."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from rollout.cli.main import main
from rollout.contract.engine import spec_of
from rollout.host.keep import MARK, SHIM, Keeper, Program
from rollout.host.ledger import Held, Ledger, Record
from rollout.host.lock import locked
from rollout.host.processes import marked, sweep
from rollout.operations.driving import holding
from rollout.operations.subject import SCHEDULER as SUBJECT
from rollout.runtimes.engines import sockets
from rollout.wiring import actor
from rollout.wiring.home import Home
from rollout.wiring.host_desk import SCHEDULER, keeper
from rollout.wiring.seen import HOST_PART


def kept(home: Path, name: str = "lost.0") -> Keeper:
    keeper = Keeper(home / "host/instances")
    keeper.start(Program(name=name, argv=("sleep", "600")))
    return keeper


def lives(home: Path, name: str = "lost.0") -> bool:
    return bool(marked(MARK, str(home.resolve() / "host/instances" / name)))


@pytest.fixture
def homes(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Path, Path]]:
    """Ours and another one, on a machine without engines; a process that nobody wants runs in each."""
    for variable in sockets.VARIABLE.values():
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(sockets, "usual", lambda *_: [])
    monkeypatch.setattr(sockets, "program", lambda *_: None)
    other = tmp_path / "other"
    home.mkdir(mode=0o700, exist_ok=True)
    try:
        kept(home)
        kept(other)
        yield home, other
    finally:
        for place in (home, other):
            for variable in (SHIM, MARK):
                sweep(variable, str(place.resolve() / "host/instances/lost.0"))


def clean(*words: str) -> int | str | None:
    with pytest.raises(SystemExit) as ending:
        main(["doctor", "--clean", *words])
    return ending.value.code


def removed(capsys: pytest.CaptureFixture[str]) -> list[tuple[str, str]]:
    capsys.readouterr()
    assert clean("--yes", "--json") == 0
    return [(one["kind"], one["name"]) for one in json.loads(capsys.readouterr().out)["removed"]]


def test_it_asks_first(homes: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert clean() == 2
    said = capsys.readouterr()
    assert "process  lost.0" in said.out
    assert "add --yes" in said.err
    assert lives(homes[0])


def test_json_without_yes_tells_what_would_be_removed_and_removes_nothing(
    homes: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert clean("--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert [(one["kind"], one["name"]) for one in told["found"]] == [("process", "lost.0")]
    assert told["removed"] == []
    assert lives(homes[0])


def test_it_waits_for_who_drives_and_not_for_a_scheduler_that_waits(
    homes: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    with Home(homes[0]).opened() as database, holding(actor.leases(database), "wave-3", actor.holder("execute wave-3")):
        assert clean("--yes") == 6
    assert "wave-3 is driven now by" in capsys.readouterr().err
    with Home(homes[0]).opened() as database, holding(actor.leases(database), SUBJECT, actor.holder(SUBJECT)):
        assert removed(capsys) == [("process", "lost.0")]


def test_a_process_that_nobody_wants_goes_and_that_of_another_home_stays(
    homes: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    ours, other = homes
    assert removed(capsys) == [("process", "lost.0")]
    assert (lives(ours), lives(other)) == (False, True)
    assert removed(capsys) == []


def test_so_does_one_whose_folder_is_gone(homes: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    ours, other = homes
    shutil.rmtree(ours / "host")
    assert removed(capsys) == [("process", "lost.0")]
    assert (lives(ours), lives(other)) == (False, True)
    assert removed(capsys) == []


def test_so_does_an_edge_whose_host_part_is_gone_where_nothing_is_to_run(
    homes: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    ours, _ = homes
    keep = keeper(ours)
    try:
        for name in ("edge", SCHEDULER):
            keep.start(Program(name=name, argv=("sleep", "600")))
        Ledger(ours / "host/services").save(Record(service="shop/api", held={"lost.0": Held(spec=spec_of(("true",)))}))
        assert removed(capsys) == [], "an instance that the records know of may need it"
        Ledger(ours / "host/services").save(Record(service="shop/api"))
        assert removed(capsys) == [("process", "edge"), ("process", "lost.0")]
        assert locked(keep.folder / SCHEDULER)
        assert not locked(keep.folder / "edge")
    finally:
        for name in keep.names():
            keep.stop(name, 1)


def test_one_of_a_host_part_that_runs_stays(homes: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    keep = keeper(homes[0])
    try:
        for name in ("edge", HOST_PART):
            keep.start(Program(name=name, argv=("sleep", "600")))
        assert removed(capsys) == [("process", "lost.0")]
    finally:
        for name in keep.names():
            keep.stop(name, 1)
