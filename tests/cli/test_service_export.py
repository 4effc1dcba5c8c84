"""Where an export goes: secrets only into a file that its owner alone can read."""

import os
import stat
from pathlib import Path

import pytest

from rollout.cli.main import main


def rollout(*words: str) -> int | str | None:
    with pytest.raises(SystemExit) as ending:
        main(list(words))
    return ending.value.code


def test_a_file_with_secrets_is_for_its_owner_alone_whatever_was_there(home: Path, tmp_path: Path) -> None:
    rollout("service", "add", "web", "--tier", "pro", "--env", "TOKEN=planted")
    path = tmp_path / "fleet.toml"
    assert rollout("service", "export", "--out", str(path)) == 0
    assert "planted" not in path.read_text()
    path.chmod(0o666)
    assert rollout("service", "export", "--out", str(path), "--with-secrets", "--yes") == 0
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert 'TOKEN = "planted"' in path.read_text()
    assert [name for name in os.listdir(tmp_path) if name.endswith(str(os.getpid()))] == []


def test_secrets_go_into_no_device_and_nowhere_else(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rollout("service", "add", "web", "--tier", "pro", "--env", "TOKEN=planted")
    capsys.readouterr()
    os.mkfifo("pipe.toml")
    for words in (["--with-secrets", "--out", "pipe.toml"], ["--with-secrets"], ["--with-secrets", "--out", "x/f.toml"], []):
        rollout("service", "export", *words)
    said = capsys.readouterr()
    assert "planted" not in said.out + said.err
    assert "pipe.toml is not a file" in said.err
