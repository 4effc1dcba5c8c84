"""Heavy libraries are loaded by what needs them alone: status, help and completion begin fast."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = ("scipy", "numpy")
RUN = """
import json, sys
from rollout.cli.main import main
try:
    main(sys.argv[1:])
except SystemExit:
    pass
sys.stderr.write(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""


def loaded(home: Path, *arguments: str, **more: str) -> set[str]:
    env = {**os.environ, "ROLLOUT_HOME": str(home / ".rollout"), **more}
    done = subprocess.run([sys.executable, "-c", RUN, *arguments], env=env, capture_output=True, text=True, check=False)
    return set(json.loads(done.stderr[done.stderr.rindex("[") :]))


@pytest.mark.parametrize(
    "arguments", [("--help",), ("status",), ("explain", "--help"), ("execute", "--help"), ("service", "list")]
)
def test_no_statistics_where_nothing_is_compared(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    loaded(tmp_path, "service", "add", "api", "--tier", "trial", "--", "true")
    modules = loaded(tmp_path, *arguments)
    assert "rollout" in modules
    assert modules.isdisjoint(HEAVY)


def test_completion_loads_none_either(tmp_path: Path) -> None:
    words = {"_ROLLOUT_COMPLETE": "complete_bash", "COMP_WORDS": "rollout exp", "COMP_CWORD": "1"}
    assert loaded(tmp_path, **words).isdisjoint(HEAVY)


def test_building_the_gates_loads_none_either() -> None:
    code = "import rollout.wiring.world, sys; sys.exit('scipy' in sys.modules or 'numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
