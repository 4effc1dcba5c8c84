"""Every command stands in a golden transcript: once in good use, and once refused with one clear error."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

from rollout.cli.main import COMMANDS, GROUP

SCENARIOS = Path(__file__).parents[1] / "scenarios"
NO_GOOD_USE = {
    "host-part": "hidden; serves until SIGTERM: rollout up in host.txt runs it, tests/host look at it",
    "dns": "hidden; serves until SIGTERM: rollout up in host.txt runs it, tests/network look at it",
}
"""Commands that no transcript shows in good use, and why."""

Call = tuple[str, bool, bool]
"""The command with its sub-command; whether it was done; whether it was refused."""


def commands() -> set[str]:
    """All of the table, those of groups by their full names."""
    return {f"{name} {sub}".strip() for name in COMMANDS for sub in GROUP.get(name, ("",))}


def calls() -> Iterator[Call]:
    """Every call in a transcript: done without an error and with 0, refused with an error in three parts and another code."""
    for path in sorted(SCENARIOS.glob("*.txt")):
        for block in re.split(r"(?m)^(?=\$ )", path.read_text())[1:]:
            line, _, said = block.partition("\n")
            words = shlex.split(line.removeprefix("$ rollout "))
            name = " ".join(words[:2] if words[0] in GROUP else words[:1])
            code = re.search(r"(?m)^\[exit (\d+)\]$", said)
            parts = [len(re.findall(rf"(?m)^! {part}: +\S", said)) for part in ("error", "state", "next")]
            yield name, code is None and parts == [0, 0, 0], code is not None and parts == [1, 1, 1]


def test_every_command_is_shown_in_good_use() -> None:
    assert commands() - {name for name, done, _ in calls() if done} == set(NO_GOOD_USE)


def test_every_command_is_shown_refused() -> None:
    assert commands() - {name for name, _, refused in calls() if refused} == set()


def test_what_ends_with_a_code_but_0_says_why() -> None:
    """An error, or the outcome of a wave, a service or a check."""
    outcomes = {"execute", "revert", "finalize", "service import"}
    assert {name for name, done, refused in calls() if not done and not refused} <= outcomes
