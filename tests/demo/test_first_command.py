"""The README's first command, pasted as it stands into a clean copy of the tree, runs. It is CI's one demo on real processes."""

import json
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


@pytest.mark.timeout(500)
def test_the_first_command_runs_the_demo_and_everything_happens_as_told(clone: Path) -> None:
    command = first_command()
    assert command.endswith("rollout demo")
    clean = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV") and not k.startswith("ROLLOUT_")}
    result = subprocess.run(
        ["bash", "-c", f"{command} --json"], cwd=clone, env=clean, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert "The edge listens on http://127.0.0.1:" in result.stderr  # pip may have had something to say before
    told = json.loads(result.stdout)
    requests = told["requests"]
    assert told["services"] == {"legacy": 0, "v2": 24}
    assert sorted(f["service"] for f in told["fallbacks"]) == ["shop/coupons", "shop/prices", "shop/search"]
    assert {wave["tier"] for wave in told["waves"]} == {"trial", "hobby", "pro", "enterprise"}
    assert sum(wave["moved"] for wave in told["waves"]) == 24
    assert requests["sent"] >= 1000
    assert 1 <= requests["failed_planted"] <= 5
    assert len(told["performance"]) == 24
    assert {line["service"]: line["verdict"] for line in told["performance"]}["shop/prices"] == "fail"
    assert (requests["failed_outside_declared_downtime"], requests["retried"]) == (0, 0)
    assert requests["failed"] == requests["failed_planted"] + requests["failed_in_declared_downtime"]
    assert told["longest_gap_ms"] > 0
    assert (told["finalized"], told["leftovers"]) == (True, [])
    assert "error" not in told
