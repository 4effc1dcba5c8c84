"""Pins on the command line where a transcript cannot tell it: JSON, expiry, files of owners, reasons of any kind."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from rollout.cli.console import report
from rollout.cli.main import app
from rollout.store import pins
from rollout.store.database import Database
from rollout.wiring import actor
from rollout.wiring.home import Home

Run = Callable[..., tuple[int, str]]


@pytest.fixture
def run(home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("LOGNAME", "ann")

    def call(*words: str) -> tuple[int, str]:
        capsys.readouterr()
        code = report(lambda: app(args=list(words), prog_name="rollout", standalone_mode=False))
        caught = capsys.readouterr()
        return code, caught.out + caught.err

    assert call("service", "add", "shop/a", "--tier", "trial", "--engine", "memory", "--command", "run")[0] == 0
    assert call("service", "deploy", "shop/a")[0] == 0
    return call


@pytest.fixture
def database(home: Path, run: Run) -> Database:
    return Home(home).database()


def expire(database: Database) -> None:
    """The pin of shop/a has ended an hour ago."""
    with database.writing() as session:
        pin = pins.get(session, "shop/a")
        assert pin is not None
        over = actor.now() - timedelta(hours=1)
        pins.put(session, replace(pin, expires=over), who="x", at=over)


def test_json_tells_the_pin_before_and_now(run: Run) -> None:
    assert run("pin", "a", "--reason", "fair", "--until", "2099-12-24", "--json")[0] == 0
    code, text = run("pin", "a", "--until", "2099-12-31T10:00+02:00", "--blocker", "OPS-1", "--json")
    [found] = json.loads(text)["results"]
    assert (code, found["subject"], found["exit"]) == (0, "shop/a", 0)
    assert found["before"]["expires"] == "2099-12-24T00:00:00+00:00"
    assert (found["pin"]["expires"], found["pin"]["blocker"]) == ("2099-12-31T08:00:00+00:00", "OPS-1")
    assert (found["pin"]["reason"], found["pin"]["owner"]) == ("fair", "ann")
    code, text = run("unpin", "a", "--json")
    [found] = json.loads(text)["results"]
    assert (code, found["pin"], found["before"]["reason"]) == (0, None, "fair")


def test_an_expired_pin_counts_no_more_and_is_told_as_expired(run: Run, database: Database) -> None:
    run("pin", "a", "--reason", "fair")
    assert "1 pinned" in run("status")[1]
    assert "0 to move, 1 pinned" in run("plan")[1]
    expire(database)
    status = run("status")[1]
    assert "1 pinned" not in status
    assert "pins that have expired" in status
    assert "shop/a  by ann until" in status
    assert "expired: it was by ann until" in run("explain", "a")[1]
    assert "expired: it was by ann until" in run("service", "show", "a")[1]
    assert "pin expired" in run("service", "list")[1]
    assert "on legacy: it runs on legacy" in run("finalize", "--check")[1]
    assert "pinned" not in run("service", "deploy", "a")[1]
    assert "1 to move, 0 pinned" in run("plan")[1]
    assert "had expired" in run("unpin", "a")[1]
    assert "is not pinned" in run("unpin", "a")[1]


def test_an_expired_pin_is_pinned_anew_and_keeps_nothing_of_the_old(run: Run, database: Database) -> None:
    run("pin", "a", "--reason", "fair", "--blocker", "OPS-1", "--owner", "bea")
    expire(database)
    assert run("pin", "a")[0] == 2
    code, text = run("pin", "a", "--reason", "another")
    assert (code, "shop/a is pinned by ann until" in text) == (0, True)
    assert "OPS-1" not in text


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("  two\n lines\tand\x1b[31m colour ", "two lines and [31m colour"),
        ("[bold]not markup[/bold]", "[bold]not markup[/bold]"),
        ("👩‍👩‍👧 Γειά σου 世界", "👩‍👩‍👧 Γειά σου 世界"),
        ("x" * 2000, "x" * 2000),
    ],
)
def test_a_reason_is_one_line_of_any_script(run: Run, said: str, kept: str) -> None:
    code, text = run("pin", "a", "--reason", said)
    assert (code, kept in text) == (0, True)
    assert kept in run("explain", "a")[1]
    assert kept in run("finalize", "--check")[1]


def test_what_is_too_long_or_empty_changes_nothing(run: Run) -> None:
    assert run("pin", "a", "--reason", "x" * 2001)[0] == 2
    assert run("pin", "a", "--reason", "\n\t")[0] == 2
    assert run("pin", "a", "--reason", "fair", "--until", "99999d99999999h")[0] == 2
    assert "is not pinned" in run("unpin", "a")[1]


def test_a_service_that_was_never_on_legacy_has_nothing_to_stay_on(run: Run) -> None:
    run("service", "add", "shop/new", "--tier", "trial", "--engine", "memory", "--command", "run", "--runtime", "v2")
    run("service", "deploy", "shop/new")
    code, text = run("pin", "shop/a", "shop/new", "--reason", "fair")
    assert (code, "shop/new was never on legacy" in text) == (5, True)
    assert "shop/a is not pinned" in run("unpin", "a")[1]
    run("service", "stop", "shop/new", "--yes")
    assert "runs nowhere" in run("pin", "shop/new", "--reason", "fair")[1]
    assert "runs on legacy" in run("service", "deploy", "shop/new")[1]


def test_files_that_name_a_runtime_are_listed_and_never_block(run: Run, tmp_path: Path) -> None:
    manifest, fleet, quiet = tmp_path / "railway.json", tmp_path / "fleet.toml", tmp_path / "quiet.toml"
    manifest.write_text(json.dumps({"deploy": {"startCommand": "run", "runtime": "LEGACY"}}))
    service = '[[services]]\nname = "{}"\ntier = "trial"\nenvironment = "lab"\ncommand = "run"\n'
    fleet.write_text("".join(service.format(name) + 'runtime = "legacy"\n' for name in ("b", "c")))
    quiet.write_text(service.format("d"))
    words = (str(manifest), str(fleet), str(quiet), "--tier", "trial", "--reason", "x", "--name", "m")
    assert run("service", "import", *words)[0] == 0
    code, text = run("finalize", "--check")
    assert (code, f"{manifest}: deploy.runtime\n" in text) == (7, True)
    assert f"{fleet}: services.0.runtime and 1 more\n" in text
    assert "quiet" not in text
    found = json.loads(run("finalize", "--check", "--json")[1])["finalize"]
    assert [one["times"] for one in found["naming"]] == [2, 1]
    fleet.write_text(fleet.read_text().replace('runtime = "legacy"', ""))
    manifest.write_text("{")
    text = run("finalize", "--check")[1]
    assert "services.0" not in text
    assert "deploy.runtime when it was imported; now: " in text
    manifest.unlink()
    assert "still name a runtime" not in run("finalize", "--check")[1]


def test_a_scheduled_wave_stands_against_finalize_until_its_schedule_is_removed(run: Run) -> None:
    assert run("plan")[0] == 0
    noon = f"{actor.now() + timedelta(days=10):%Y-%m-%d} 12:00"
    code, text = run("schedule", "add", "wave-1", "--at", noon, "--timezone", "Europe/Berlin")
    assert code == 0, text
    code, text = run("finalize", "--check")
    assert code == 7
    assert f"wave-1  scheduled: at {noon} Europe/Berlin, by ann; next: rollout schedule remove wave-1" in text
    assert "1 of 1 services still need the setting, and 1 scheduled wave" in text
    assert "1 scheduled" in run("finalize", "--confirm", "finalize")[1]
    assert run("schedule", "remove", "wave-1")[0] == 0
    assert "scheduled" not in run("finalize", "--check")[1]
