"""A name that is nearly right is answered with the one that was probably meant."""

import shlex
from pathlib import Path

import pytest

from rollout.cli.main import main


@pytest.fixture
def plan(home: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """The id of a plan of one wave."""
    for line in ("service add shop/api --tier trial --engine memory --command run", "service deploy --all", "plan"):
        with pytest.raises(SystemExit):
            main(line.split())
    told = capsys.readouterr().out
    assert home.is_dir()
    return next(word.rstrip(":") for word in told.split() if word.startswith("plan-"))


@pytest.mark.parametrize(
    ("line", "meant"),
    [
        ("statsu", "status"),
        ("service lisst", "list"),
        ("plan --teir trial", "--tier"),
        ("plan --tier trail", "trial"),
        ("service list --tier hobbie", "hobby"),
        ("service add x --tier trial --kind wroker", "worker"),
        ("explain shop/apu", "shop/api"),
        ("fail shop/apii --reason x", "shop/api"),
        ("execute wave1", "wave-1"),
        ("pause wave1", "wave-1"),
        ("status wav-1", "wave-1"),
        ("schedule next wave_1", "wave-1"),
        ("show wav-1", "wave-1"),
        ("policy use runtime-v3", "runtime-v2"),
        ("plan --policy defualt", "default"),
    ],
)
def test_meant(plan: str, line: str, meant: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert plan
    assert f"did you mean {meant}?" in _error(line, capsys)


def test_a_plan_is_meant(plan: str, capsys: pytest.CaptureFixture[str]) -> None:
    near = plan[:-1] + ("0" if plan[-1] != "0" else "1")
    assert f"did you mean {plan}?" in _error(f"show {near}", capsys)


@pytest.mark.parametrize("line", ["quux", "plan --quuxly", "explain quuxly", "show quuxly", "service list --tier quux"])
def test_nothing_is_guessed_where_nothing_is_near(plan: str, line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert plan
    assert "did you mean" not in _error(line, capsys)


def _error(line: str, capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    with pytest.raises(SystemExit) as ending:
        main(shlex.split(line))
    assert ending.value.code == 2
    return " ".join(capsys.readouterr().err.split())
