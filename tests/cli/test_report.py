"""`rollout report` where a transcript cannot tell it: JSON, the file, secrets, what lies before `--since`."""

import json
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from rollout.cli.console import report
from rollout.cli.main import app
from tests.scenarios.transcript import HERE

Run = Callable[..., tuple[int, str]]


@pytest.fixture
def run(home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("LOGNAME", "ann")

    def call(*words: str) -> tuple[int, str]:
        capsys.readouterr()
        code = report(lambda: app(args=list(words), prog_name="rollout", standalone_mode=False))
        caught = capsys.readouterr()
        return code, caught.out + caught.err

    return call


@pytest.fixture
def moved(run: Run) -> Run:
    """Two moved, one of them by recreate, one fell back, one is pinned; the latter two with a secret in the reason."""
    add = ("--tier", "trial", "--engine", "memory", "--command", "run", "--env", "TOKEN=hunter22")
    run("service", "add", "shop/gap", *add, "--port", "8080")
    run("service", "add", "shop/bad", *add, "--label", "fault.v2.launch_fails=<i>hunter22</i>")
    run("service", "add", "shop/ok", *add)
    run("service", "add", "shop/pin", *add)
    run("service", "deploy", "--all")
    run("policy", "use", str(HERE / "fast.toml"))
    run("pin", "shop/pin", "--reason", "because hunter22")
    assert run("plan")[0] == 0
    assert {run("execute", f"wave-{n}", "--yes")[0] for n in (1, 2)} == {0, 3}
    return run


def test_json_has_everything_with_its_units(moved: Run) -> None:
    code, text = moved("report", "--json")
    found = json.loads(text)["report"]
    assert (code, found["totals"]["began"], found["totals"]["moved"], found["totals"]["fell_back"]) == (0, 3, 2, 1)
    [gap] = found["gaps"]
    assert (gap["service"], gap["declared_s"]) == ("shop/gap", 52.0)
    assert 0 < gap["seconds"] < 52
    [fell] = found["fallbacks"]
    assert (fell["service"], fell["cause"], fell["afterwards"]) == ("shop/bad", "failed while launching", "blocked")
    assert fell["back_s"] > 0
    assert sum(slot["moved"] for slot in found["slots"]) == 2
    assert found["slots"][-1]["on_v2"] == 2
    assert [wave["moved"] + wave["fell_back"] for wave in found["waves"]] == [2, 1]


def test_no_form_of_it_tells_a_secret(moved: Run, tmp_path: Path) -> None:
    assert moved("revert", "shop/ok", "--reason", "it told hunter22")[0] == 0
    moved("report", "--html", "page.html")
    page = (tmp_path / "page.html").read_text()
    for text in (page, moved("report")[1], moved("report", "--json")[1]):
        assert "hunter22" not in text
        assert text.count("***") >= 3
    assert "<i>" not in page


def test_what_happened_before_is_left_out(moved: Run) -> None:
    found = json.loads(moved("report", "--since", "0s", "--json")[1])["report"]
    assert (found["totals"]["began"], found["fallbacks"], found["gaps"], found["waves"], found["slots"]) == (0, [], [], [], [])
    assert "nothing has moved in this time or part" in moved("report", "--since", "0s")[1]
    assert "of 3 that began" in moved("report", "--since", "99999d")[1]


def test_a_plan_and_a_wave_narrow_it(moved: Run) -> None:
    everything = json.loads(moved("report", "--json")[1])["report"]
    plan = json.loads(moved("show", "wave-1", "--json")[1])["plan"]["id"]
    of_plan = json.loads(moved("report", "--plan", plan, "--json")[1])["report"]
    assert of_plan["totals"] == everything["totals"]
    one = json.loads(moved("report", "--plan", plan, "--wave", "wave-2", "--json")[1])["report"]
    assert one["totals"]["began"] == 1
    moved("retry", "shop/bad")
    moved("plan")
    code, text = moved("report", "--plan", plan, "--wave", "wave-3")
    assert (code, f"wave-3 is not in {plan}" in text) == (2, True)


def test_the_file_is_replaced_whole_or_not_at_all(moved: Run, tmp_path: Path) -> None:
    real, link = tmp_path / "real.html", tmp_path / "link.html"
    real.write_text("<!DOCTYPE html>old")
    link.symlink_to(real)
    assert moved("report", "--html", str(link))[0] == 0
    assert link.is_symlink()
    assert real.read_text().endswith("</html>")
    other = tmp_path / "notes.txt"
    other.write_text("mine")
    assert moved("report", "--html", str(other))[0] == 2
    assert other.read_text() == "mine"
    assert not [name for name in os.listdir(tmp_path) if name.startswith(".") and "html" in name]


def test_both_forms_at_once_keep_the_document_whole(moved: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert report(lambda: app(args=["report", "--json", "--html", "p.html"], prog_name="rollout", standalone_mode=False)) == 0
    assert json.loads(capsys.readouterr().out)["format_version"] == 1
    assert stat.S_ISREG(Path("p.html").stat().st_mode)
