"""The README is true: its first screen holds what a newcomer needs, every command in it exists.

That its first command really runs is shown by tests/demo/test_first_command.py, which takes longer.
"""

import re
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


def shown_options() -> list[tuple[str, list[str]]]:
    """Each call in a code block: its command, and the options that it shows before `--`."""
    lines = [line.partition(" -- ")[0] for line in code_lines() if CALL.search(line)]
    found = [(str(CALL.search(line).group(1)), re.findall(r"(?<=\s)--[a-z][\w-]*", line)) for line in lines]  # type: ignore[union-attr]
    return [(call, options) for call, options in found if options]


def test_every_option_that_the_readme_shows_exists(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    assert shown_options()
    for call, options in shown_options():
        with pytest.raises(SystemExit):
            main([*call.split(), "--help"])
        told = capsys.readouterr().out
        assert [option for option in options if option not in told] == [], call


def test_an_unknown_command_would_be_noticed(capsys: pytest.CaptureFixture[str]) -> None:
    assert not exists(("no-such-command",), capsys)


def test_the_first_screen_tells_what_it_is_and_both_commands() -> None:
    screen = "\n".join(README.splitlines()[:FIRST_SCREEN])
    assert "legacy" in screen
    assert "v2" in screen
    assert "pip install" in screen
    assert "tests/run" in screen
