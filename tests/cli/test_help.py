"""`--help` of every command: what it offers is there, and nothing that belongs to the root alone."""

import pytest
from typer.core import TyperGroup
from typer.main import get_command

from rollout.cli.main import COMMANDS, app

ROOT = get_command(app)


def _paths() -> list[tuple[str, ...]]:
    assert isinstance(ROOT, TyperGroup)
    found: list[tuple[str, ...]] = []
    for name in COMMANDS:
        command = ROOT.get_command(None, name)
        found += [(name,), *((name, sub) for sub in getattr(command, "commands", {}))]
    return found


@pytest.mark.parametrize("path", _paths(), ids=" ".join)
def test_completion_is_offered_by_the_root_alone(path: tuple[str, ...]) -> None:
    command = ROOT
    for name in path:
        assert isinstance(command, TyperGroup)
        command = command.get_command(None, name)
    assert {param.name for param in command.params} & {"install_completion", "show_completion"} == set()
    assert {"install_completion", "show_completion"} <= {param.name for param in ROOT.params}
