"""Commands of a user who may not read or write the home. Needs root, to become nobody."""

import contextlib
import io
import os
import pwd
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from rollout.cli.main import main
from tests.scenarios.badness import Said, called, dump

ADD = ("service", "add", "shop/web", "--tier", "trial", "--engine", "memory", "--command", "run")


@pytest.fixture
def open_home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home of root's in a folder that everybody can enter, with one service. Every module that is needed is loaded."""
    place = Path(tempfile.mkdtemp(prefix="rollout-nobody-"))
    place.chmod(0o755)
    home = place / ".rollout"
    monkeypatch.setenv("ROLLOUT_HOME", str(home))
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.chdir(place)
    assert called("service", "add", "shop/api", "--tier", "trial", "--engine", "memory", "--command", "run").code == 0
    for words in (("status",), ("plan",), ("pause",), ("resume",)):
        assert called(*words).code == 0
    yield home
    shutil.rmtree(place)


def as_nobody(*words: str) -> Said:
    """`rollout …` in a fork that is nobody. It loads no module: the interpreter may be where nobody cannot read."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        code, out, err = 99, io.StringIO(), io.StringIO()
        try:
            known = pwd.getpwnam("nobody")
            os.setgroups([])
            os.setgid(known.pw_gid)
            os.setuid(known.pw_uid)
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                main([*words])
        except SystemExit as ended:
            code = int(ended.code or 0)
        except BaseException as error:
            err.write(f"Traceback {error!r}")
        finally:
            os.write(writing, f"{out.getvalue()}\0{err.getvalue()}".encode())
            os._exit(code)
    os.close(writing)
    with os.fdopen(reading, encoding="utf-8") as file:
        out_text, _, err_text = file.read().partition("\0")
    return Said(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), out_text, err_text)


def test_a_home_that_cannot_be_entered(open_home: Path) -> None:
    before = dump(open_home)
    for words in (("status",), ("plan",), ("execute", "wave-1"), ADD, ("pause",), ("up",), ("revert", "api", "--without-store")):
        said = as_nobody(*words)
        said.refused(1, "ermission", str(open_home))
    assert dump(open_home) == before


def test_a_home_that_can_be_read_and_not_written(open_home: Path) -> None:
    open_home.chmod(0o755)
    (open_home / "store.sqlite").chmod(0o644)
    before = dump(open_home)
    told = as_nobody("status")
    assert (told.code, told.err) == (0, ""), told
    for words in (ADD, ("pause",), ("up",)):
        as_nobody(*words).refused(1, str(open_home))
    assert dump(open_home) == before


def test_a_folder_in_which_no_home_can_be_made(open_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROLLOUT_HOME", str(open_home.parent / "other"))
    as_nobody(*ADD).refused(1, "cannot make the home", "Permission denied", "set ROLLOUT_HOME")
    assert not (open_home.parent / "other").exists()
