"""The main job in memory, told by the commands that a person types."""

import shutil
from pathlib import Path

import pytest

from tests.scenarios.transcript import HERE, check


@pytest.fixture
def fast(home: Path) -> Path:
    for policy in HERE.glob("*.toml"):
        shutil.copy(policy, home.parent)
    shutil.copytree(HERE / "compose", home.parent / "compose")
    (home.parent / "compose" / "env.txt").rename(home.parent / "compose" / ".env")
    return home


@pytest.mark.parametrize("name", sorted(path.name for path in HERE.glob("*.txt")))
def test_transcript(name: str, fast: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check(name, fast, monkeypatch)
