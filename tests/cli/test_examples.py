"""Each example that `--help` shows is run, in a home where it has something to do, and ends well."""

import shlex
import shutil
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from typer import Context
from typer.core import TyperGroup
from typer.main import get_command

from rollout.cli.examples import EXAMPLES, lines
from rollout.cli.main import COMMANDS, app, main
from rollout.model.lease import Holder
from rollout.runtimes.images.image import here
from rollout.store.leases import StoreLeases
from rollout.wiring import actor
from rollout.wiring.home import Home
from tests.runtimes.images.builder import END, GOOD, Layout, as_tar

POLICIES = Path(__file__).parents[1] / "scenarios"
ELSEWHERE = {"rollout demo": "tests/demo/test_first_command.py"}
"""These take long: the test that runs them is that one."""

ADDED = (
    "service add shop/api --tier trial --customer acme --engine memory --command run",
    "service add shop/web --tier hobby --customer bolt --engine memory --command run",
)
DEPLOYED = (*ADDED, "service deploy --all")
PLANNED = (*DEPLOYED, "policy use my.toml", "plan --out plan.json")
MOVED = (*PLANNED, "execute wave-1")
BEFORE: dict[str, tuple[str, ...]] = {
    "plan": DEPLOYED,
    "resume": (*PLANNED, "pause", "pause wave-1"),
    "log": MOVED,
    "fail": MOVED,
    "report": MOVED,
    "finalize": (*DEPLOYED, "policy use quick.toml", "plan", "execute wave-1", "execute wave-2"),
    "service logs": (
        "service add shop/api --tier trial --kind worker --command 'echo begun; exec sleep 900'",
        "service deploy --all",
    ),
    "revert": MOVED,
    "retry": (*MOVED, "revert shop/api"),
    "unpin": (*PLANNED, "pin shop/api --reason fair"),
    "down": (*PLANNED, "up"),
    "service add": (),
    "store unlock": (),
    "image show": (),
    "image list": ADDED,
    "environment list": ADDED,
    "environment set": ADDED,
    "image prune": ADDED,
    "service deploy": ADDED,
    "schedule list": (*PLANNED, "schedule add wave-1 --cron '0 2 * * SUN' --window 2h"),
    "schedule next": (*PLANNED, "schedule add wave-1 --cron '0 2 * * SUN' --window 2h"),
    "schedule remove": (*PLANNED, "schedule add wave-1 --cron '0 2 * * SUN' --window 2h"),
}
"""What was done before; PLANNED where nothing stands here."""

CASES = [(path, line) for path in EXAMPLES for line in lines(path) if line not in ELSEWHERE]


def run(line: str) -> int | str | None:
    with pytest.raises(SystemExit) as ending:
        main(shlex.split(line))
    return ending.value.code


@pytest.fixture
def folder(home: Path) -> Iterator[Path]:
    folder = home.parent
    shutil.copy(POLICIES / "fast.toml", folder / "my.toml")
    shutil.copy(POLICIES / "quick.toml", folder)
    (folder / "compose.yaml").write_text("services:\n  web:\n    image: nginx:1\n    command: nginx\n")
    yield folder
    if (home / "run").exists() or (home / "host").exists():
        run("down --yes")


def _left_a_lease(folder: Path) -> None:
    """A driver on a machine that is gone left its lease."""
    gone = Holder(user="ben", host="gone", pid=1, started=1.0, doing="execute wave-1")
    with Home(folder / ".rollout").opened() as database:
        StoreLeases(database, lambda: actor.now() - timedelta(days=1), lambda _: False).take("wave-1", gone)


def _saved_an_image(folder: Path) -> None:
    layout = Layout(folder / "web")
    layout.index({**layout.image(GOOD + END, platform=_here()), "annotations": {"org.opencontainers.image.ref.name": "latest"}})
    as_tar(layout.folder)


def _here() -> dict[str, str]:
    return {"os": here().os, "architecture": here().architecture}


PREPARED: dict[str, Callable[[Path], None]] = {"store unlock": _left_a_lease, "image show": _saved_an_image}


@pytest.mark.parametrize(("path", "line"), CASES, ids=[line for _, line in CASES])
def test_the_example_works(folder: Path, path: str, line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert line.startswith(f"rollout {path}")
    for before in BEFORE.get(path, PLANNED):
        assert run(before) == 0, before
    if path in PREPARED:
        PREPARED[path](folder)
    capsys.readouterr()
    assert run(line.removeprefix("rollout ")) == 0, capsys.readouterr().err


def _paths() -> Iterator[str]:
    root = get_command(app)
    assert isinstance(root, TyperGroup)
    for name, (_, panel, _) in COMMANDS.items():
        found = root.get_command(Context(root), name)
        subs = found.list_commands(Context(found)) if isinstance(found, TyperGroup) else [""]
        yield from (f"{name} {sub}".strip() for sub in subs if panel)


def test_every_command_has_examples() -> None:
    assert sorted(EXAMPLES) == sorted(_paths())
    assert all(EXAMPLES.values())


@pytest.mark.parametrize("path", EXAMPLES)
def test_the_help_shows_them(path: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    assert run(f"{path} --help") == 0
    told = capsys.readouterr().out.splitlines()
    assert [line for line in lines(path) if line not in {shown.strip() for shown in told}] == []


def test_what_takes_long_is_run_elsewhere() -> None:
    for line, file in ELSEWHERE.items():
        assert line in (Path(__file__).parents[2] / file).read_text()
