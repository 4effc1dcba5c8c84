"""The layer contract, the types and the lint hold on this tree."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CHECKS = {
    "layers": ["-c", "from importlinter.cli import lint_imports_command; lint_imports_command(['--no-cache'])"],
    "lint": ["-m", "ruff", "check", "rollout", "tests"],
    "types": ["-m", "mypy"],
}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", CHECKS)
def test_the_law_holds(name: str) -> None:
    result = subprocess.run([sys.executable, *CHECKS[name]], cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
