"""Completion, asked as bash, zsh and fish ask: names come from the store, fast, and never with an error."""

import json
import os
import pty
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer import Context
from typer.core import TyperGroup
from typer.main import get_command

from rollout.cli import complete
from rollout.cli.main import COMMANDS, app, main
from rollout.store.names import FILE

NAMES = {"service", "services", "names", "name", "wave", "target", "subject", "subjects"}
"""Arguments and options of these names stand for something that exists."""
NEW = {"service add", "service import"}
"""Here they name what does not exist yet."""
LIMIT_S = 30.0


@pytest.fixture
def fleet(home: Path) -> Path:
    for service in ("shop/api", "shop/web", "bank/api", "bank/core"):
        _did("service", "add", service, "--tier", "trial", "--engine", "memory", "--command", "run")
    _did("service", "deploy", "--all")
    _did("plan")
    _did("policy", "use", "default")
    return home


def _did(*words: str) -> None:
    with pytest.raises(SystemExit) as ending:
        main([*words])
    assert ending.value.code == 0


def offered(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *words: str) -> list[str]:
    """What bash is told for these words, the last of which is to be completed; stderr stays empty."""
    capsys.readouterr()
    for name, value in {complete.ASKED: "complete_bash", "COMP_WORDS": " ".join(("rollout", *words))}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("COMP_CWORD", str(len(words)))
    with pytest.raises(SystemExit) as ending:
        main([])
    for name in (complete.ASKED, "COMP_WORDS", "COMP_CWORD"):
        monkeypatch.delenv(name)
    told = capsys.readouterr()
    assert (ending.value.code, told.err) == (0, "")
    return told.out.split()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("stat",), ["status"]),
        (("service", "re"), ["remove", "restart"]),
        (("explain", "shop/"), ["shop/api", "shop/web"]),
        (("explain", "w"), ["web"]),
        (("explain", "ap"), []),
        (("explain", ""), ["core", "web", "bank/api", "shop/api"]),
        (("service", "deploy", "shop/api", "shop/"), ["shop/web"]),
        (("service", "show", "shop/api", ""), []),
        (("fail", "--reason", "slow", "shop/a"), ["shop/api"]),
        (("fail", "--reason", ""), []),
        (("execute", "wave-"), ["wave-2", "wave-1"]),
        (("plan", "--service", "bank/c"), ["bank/core"]),
        (("plan", "--policy", "run"), ["runtime-v2"]),
        (("plan", "--policy", "=", "run"), ["runtime-v2"]),
        (("policy", "use", "def"), ["default"]),
        (("service", "add", "x", "--tier", "h"), ["hobby"]),
        (("environment", ""), ["list", "set"]),
        (("environment", "set", "s"), ["shop"]),
        (("environment", "set", "shop", "--egress", "o"), ["open"]),
        (("service", "deploy", "--at"), ["--at-once"]),
        (("service", "add", "x", "--", "sh"), []),
        (("no-such-command", "x"), []),
    ],
)
def test_offered(
    fleet: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], expected: list[str]
) -> None:
    assert fleet.is_dir()
    assert offered(capsys, monkeypatch, *words) == expected


def test_a_plan_is_offered(fleet: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert fleet.is_dir()
    [plan] = offered(capsys, monkeypatch, "show", "plan-")
    _did("show", plan)


@pytest.mark.parametrize("store", [b"", b"no store at all" * 1000, None])
def test_a_broken_home_offers_nothing_and_says_nothing(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, store: bytes | None
) -> None:
    if store is None:
        monkeypatch.setenv("ROLLOUT_HOME", str(home / "nowhere"))
    else:
        (home / FILE).write_bytes(store)
    before = {path: path.read_bytes() for path in home.iterdir()}
    for words in (("explain", "a"), ("execute", "w"), ("show", ""), ("schedule", "remove", "")):
        assert offered(capsys, monkeypatch, *words) == []
    assert "demo" in offered(capsys, monkeypatch, "policy", "use", "")
    assert {path: path.read_bytes() for path in home.iterdir()} == before


def _commands() -> Iterator[tuple[str, list[str]]]:
    """Each command with those of its arguments and options that name something."""
    root = get_command(app)
    assert isinstance(root, TyperGroup)
    context = Context(root)
    for name, (_, panel, _) in COMMANDS.items():
        command = root.get_command(context, name) if panel else None
        group = isinstance(command, TyperGroup)
        subs = {sub: command.get_command(context, sub) for sub in command.list_commands(context)} if group else {"": command}
        for sub, one in subs.items() if command else ():
            yield f"{name} {sub}".strip(), [str(param.name) for param in one.params if param.name in NAMES]


def test_every_command_that_names_something_completes_it() -> None:
    missing = [path for path, named in _commands() if named and path not in complete.NAMED and path not in NEW]
    assert missing == []
    assert set(complete.NAMED) <= {path for path, _ in _commands()}


RUN = """
import json, sys
from rollout.cli.main import main
try:
    main([])
except SystemExit:
    pass
sys.stderr.write(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""


@pytest.mark.parametrize(
    ("shell", "asking"),
    [
        ("bash", {"COMP_WORDS": "rollout explain shop/w", "COMP_CWORD": "2"}),
        ("zsh", {"_TYPER_COMPLETE_ARGS": "rollout explain shop/w"}),
        ("fish", {"_TYPER_COMPLETE_ARGS": "rollout explain shop/w", "_TYPER_COMPLETE_FISH_ACTION": "get-args"}),
    ],
)
def test_every_shell_is_answered_without_loading_the_store(fleet: Path, shell: str, asking: dict[str, str]) -> None:
    env = {**os.environ, **asking, complete.ASKED: f"complete_{shell}"}
    done = subprocess.run([sys.executable, "-c", RUN], env=env, cwd=fleet, capture_output=True, text=True, check=False)
    loaded = set(json.loads(done.stderr[done.stderr.rindex("[") :]))
    assert "shop/web" in done.stdout
    assert loaded.isdisjoint({"sqlalchemy", "sqlmodel", "alembic", "httpx", "scipy"})


def test_real_bash_completes_in_a_terminal(fleet: Path, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "rollout"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m rollout "$@"\n')
    program.chmod(0o755)
    path = f"{program.parent}:{os.environ['PATH']}"
    env = {**os.environ, "PATH": path, "HOME": str(tmp_path), "PS1": "> ", "TERM": "dumb", "INPUTRC": "/dev/null"}
    shown = subprocess.run(
        ["rollout", "--show-completion", "bash"], env=env | {"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"},
        cwd=fleet, capture_output=True, text=True, check=True,
    )  # fmt: skip
    (tmp_path / "script").write_text(shown.stdout)
    bash = shutil.which("bash")
    assert bash
    terminal, inner = pty.openpty()
    shell = subprocess.Popen(
        [bash, "--norc", "--noprofile", "-i"], stdin=inner, stdout=inner, stderr=inner, env=env, cwd=fleet, start_new_session=True
    )
    os.close(inner)
    try:
        os.write(terminal, f"source {tmp_path / 'script'}; echo rea''dy\n".encode())
        _until(terminal, b"ready")
        os.write(terminal, b"echo rollout; rollout service show shop/w\t")
        assert b"show shop/web " in _until(terminal, b"shop/web ")
    finally:
        shell.kill()
        shell.wait()
        os.close(terminal)


def _until(terminal: int, text: bytes) -> bytes:
    told, end = b"", time.monotonic() + LIMIT_S
    while text not in told:
        ready, _, _ = select.select([terminal], [], [], max(0.0, end - time.monotonic()))
        assert ready, told
        told += os.read(terminal, 4096)
    return told


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (("service", "list", "--environment", ""), {"bank", "shop"}),
        (("service", "list", "--environment", "b"), {"bank"}),
        (("service", "list", "--customer", "a"), {"acme"}),
        (("service", "list", "--tier", "p"), {"pro"}),
        (("plan", "--tier", "e"), {"enterprise"}),
        (("service", "logs", "--runtime", ""), {"legacy", "v2"}),
        (("service", "add", "--region", ""), {"eu-west"}),
    ],
)
def test_values_of_options_are_offered(
    fleet: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], names: set[str]
) -> None:
    _did("service", "set", "shop/web", "--region", "eu-west", "--customer", "acme")
    assert set(offered(capsys, monkeypatch, *words)) == names
