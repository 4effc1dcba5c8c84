"""The README is true: its first screen holds what a newcomer needs, every command in it exists, the first one really runs."""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from rollout.cli.main import main

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
FIRST_SCREEN = 25
CALL = re.compile(r"(?:^|[\s/])rollout ((?:[a-z][\w-]*)(?: [a-z][\w-]*)?)?")


def code_lines() -> Iterator[str]:
    """Lines of code blocks, fenced or indented, without prompts and comments."""
    fenced = False
    for line in README.splitlines():
        if line.startswith("```"):
            fenced = not fenced
        elif fenced or line.startswith("    "):
            yield line.strip().removeprefix("$ ").partition("  #")[0].strip()


def shown_commands() -> list[tuple[str, ...]]:
    """Each call of `rollout` in a code block and in `code`, as words: one or two."""
    inline = re.findall(r"`(rollout [^`]+)`", README)
    calls = [match.group(1) for line in [*code_lines(), *inline] for match in CALL.finditer(line) if match.group(1)]
    return sorted({tuple(call.split()) for call in calls})


def exists(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> bool:
    with pytest.raises(SystemExit) as ending:
        main([*words, "--help"])
    capsys.readouterr()
    return ending.value.code == 0


def test_every_command_that_the_readme_shows_exists(capsys: pytest.CaptureFixture[str]) -> None:
    absent = [words for words in shown_commands() if not exists(words[:2], capsys) and not exists(words[:1], capsys)]
    assert absent == []


def test_an_unknown_command_would_be_noticed(capsys: pytest.CaptureFixture[str]) -> None:
    assert not exists(("no-such-command",), capsys)


def test_the_first_screen_tells_what_it_is_and_both_commands() -> None:
    screen = "\n".join(README.splitlines()[:FIRST_SCREEN])
    assert "legacy" in screen
    assert "v2" in screen
    assert "pip install" in screen
    assert "tests/run" in screen


def first_command() -> str:
    return next(line for line in code_lines() if "pip install" in line)


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """The tree as a clone would have it, with what is not committed yet."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    target = tmp_path / "clone"
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            (target / name).write_bytes((ROOT / name).read_bytes())
            (target / name).chmod((ROOT / name).stat().st_mode)
    return target


@pytest.mark.timeout(400)
@pytest.mark.xdist_group("demo")
def test_the_first_command_runs_as_it_stands_there(clone: Path) -> None:
    clean = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV", "ROLLOUT_HOME")}
    result = subprocess.run(["bash", "-c", first_command()], cwd=clone, env=clean, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
