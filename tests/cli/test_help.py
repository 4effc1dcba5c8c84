"""`--help` of every command: what it offers is there, and nothing that belongs to the root alone."""

from importlib import metadata
from pathlib import Path

import pytest
from typer.core import TyperGroup
from typer.main import get_command

from rollout.cli.main import COMMANDS, GROUP, app, help_line, main
from rollout.store import setting
from rollout.wiring import actor
from rollout.wiring.home import Home

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


@pytest.mark.parametrize("command", ["add", "set", "import"])
def test_the_runtime_option_leaves_the_help_with_the_setting(
    command: str, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    database = Home(home).database()
    told = []
    for over in (False, True):
        if over:
            with database.writing() as session:
                setting.write_off(session, who="ann", at=actor.now())
        with pytest.raises(SystemExit) as ending:
            main(["service", command, "--help"])
        assert ending.value.code == 0
        told.append("--runtime" in capsys.readouterr().out)
    database.close()
    assert told == [True, False]
    with pytest.raises(SystemExit) as ending:
        main(["service", "add", "a", "--tier", "pro", "--runtime", "v2"])
    assert ending.value.code == 2
    assert "the runtime setting is written off" in capsys.readouterr().err


def test_the_line_of_a_group_names_all_that_it_has() -> None:
    assert isinstance(ROOT, TyperGroup)
    loaded = {name: ROOT.get_command(None, name) for name in COMMANDS}
    groups = {name: tuple(group.list_commands(None)) for name, group in loaded.items() if isinstance(group, TyperGroup)}
    assert {name: sorted(has) for name, has in groups.items()} == {name: sorted(has) for name, has in GROUP.items()}
    for name, has in groups.items():
        assert loaded[name].help == help_line(name)
        assert help_line(name).endswith(".")
        assert all(command in help_line(name).partition(": ")[2] for command in has)


def test_the_version_is_told(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "version", {"rollout": "9.8.7"}.__getitem__)
    with pytest.raises(SystemExit) as ending:
        main(["--version"])
    assert ending.value.code == 0
    assert capsys.readouterr().out == "rollout 9.8.7\n"
