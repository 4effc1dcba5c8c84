"""Heavy libraries are loaded by what needs them alone: status, help and completion begin fast."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

STATISTICS = ("scipy", "numpy")
STORE = ("sqlmodel", "sqlalchemy")
TYPES = ("pydantic",)
NETWORK = ("httpx", "ssl", "dnslib", "socketserver", "tenacity")
MACHINE = ("psutil", "multiprocessing")
LATER = ("alembic", "apscheduler", "ruamel", "jinja2", "zstandard", "envoy", "mako", "sqlalchemy.dialects.postgresql")
ASKING = ("rollout.host.client", "rollout.host.daemon", "rollout.runtimes", "rollout.edge", "rollout.gates", "rollout.contract")
DRIVING = ("rollout.wiring.building", "rollout.wiring.host", "rollout.wiring.host_desk", "rollout.wiring.processes")
VIEW = ("rollout.cli.board", "rich.live", "rollout.operations.eta")
FILES = ("rollout.manifests.scan", "rollout.manifests.compose")
EVERYWHERE = (*STATISTICS, *LATER, *MACHINE, *ASKING, *DRIVING, "httpx", "dnslib", "socketserver", "tenacity")
"""What no command that only reads or only says something needs; `ssl` comes with the store's library by itself."""
READS = (*EVERYWHERE, *FILES)

NOT_FOR: dict[tuple[str, ...], tuple[str, ...]] = {
    ("--help",): (*READS, *STORE, *TYPES, *NETWORK, *VIEW),
    ("status",): READS,
    ("log",): READS,
    ("report",): tuple(one for one in READS if one != "jinja2"),
    ("service", "list"): (*READS, *VIEW),
    ("service", "show", "api"): (*READS, *VIEW),
    ("explain", "api"): (*READS, *VIEW),
    ("plan",): (*READS, *VIEW),
    ("policy", "list"): (*READS, *VIEW),
    ("schedule", "list"): (*READS, *VIEW),
    ("pause",): READS,
    ("execute", "--help"): STATISTICS,
}
"""Command → what it must not load: modules, with all that is below them."""
RUN = """
import json, sys
from rollout.cli.main import main
try:
    main(sys.argv[1:])
except SystemExit as ending:
    code = ending.code
sys.stderr.write(json.dumps([code, sorted(sys.modules)]))
"""


def loaded(home: Path, *arguments: str, **more: str) -> list[str]:
    """The modules that the command has loaded when it ends, and it ends well."""
    env = {**os.environ, "ROLLOUT_HOME": str(home / ".rollout"), **more}
    done = subprocess.run([sys.executable, "-c", RUN, *arguments], env=env, capture_output=True, text=True, check=False)
    code, modules = json.loads(done.stderr[done.stderr.rindex("[", 0, done.stderr.rindex("[")) :])
    assert code in {0, None}, done.stderr
    return list(modules)


def of(modules: list[str], unwanted: tuple[str, ...]) -> list[str]:
    return [module for module in modules if any(module == one or module.startswith(f"{one}.") for one in unwanted)]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a service, whose store has been made: nothing runs, and nothing is to be upgraded."""
    place = tmp_path_factory.mktemp("light")
    loaded(place, "service", "add", "api", "--tier", "trial", "--", "true")
    return place


@pytest.mark.parametrize("arguments", NOT_FOR, ids=" ".join)
def test_a_command_loads_what_it_needs_alone(home: Path, arguments: tuple[str, ...]) -> None:
    modules = loaded(home, *arguments)
    assert "rollout.cli.main" in modules
    assert of(modules, NOT_FOR[arguments]) == []


@pytest.mark.parametrize("words", ["rollout exp", "rollout explain a", "rollout service show "])
def test_completion_loads_neither_the_command_nor_the_store(home: Path, words: str) -> None:
    asked = {"_ROLLOUT_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(len(words.split(" ")) - 1)}
    modules = loaded(home, **asked)
    assert of(modules, (*READS, *STORE, *TYPES, *NETWORK, *VIEW)) == []


def test_a_command_of_a_group_loads_no_other_module_of_it(home: Path) -> None:
    others = ("rollout.cli.service_write", "rollout.cli.service_run", "rollout.cli.service_import", "rollout.cli.service_export")
    assert of(loaded(home, "service", "list"), others) == []


def test_building_what_drives_loads_no_statistics() -> None:
    code = "import rollout.wiring.building, sys; sys.exit('scipy' in sys.modules or 'numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
