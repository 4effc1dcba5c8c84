"""The layer contract, the types and the lint hold on this tree."""

import graphlib
import subprocess
import sys
from pathlib import Path

import grimp
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


def test_no_module_imports_itself_by_a_way_round() -> None:
    """Imports inside functions count: they hide a cycle, and do not undo it."""
    graph = grimp.build_graph("rollout", cache_dir=None)
    graphlib.TopologicalSorter({name: graph.find_modules_directly_imported_by(name) for name in graph.modules}).prepare()
