"""The README's first command, pasted as it stands into a clean copy of the tree, runs."""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def first_command() -> str:
    """The first set-up command that the README shows."""
    return next(line.strip() for line in (ROOT / "README.md").read_text().splitlines() if "pip install" in line)


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
