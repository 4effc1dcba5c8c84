"""The whole demo without root, on Podman and the host's own network: as told, and nothing is left of it."""

import json

import pytest

from tests.demo.test_demo_containers import as_told
from tests.runtimes.engines.unprivileged import person


@pytest.mark.long
@pytest.mark.timeout(700)
def test_the_whole_demo_runs_without_root_and_leaves_nothing() -> None:
    with person() as somebody:
        before = {path.name for path in somebody.home.iterdir()}
        as_told(json.loads(somebody.rollout("demo", "--engine", "podman", "--json", limit_s=600)))
        assert json.loads(somebody("podman", "ps", "--all", "--format", "json")) == []
        assert json.loads(somebody("podman", "images", "--format", "json")) == []
        assert somebody.runs() == []
        made = {path.name for path in somebody.home.iterdir()} - before
        assert made <= {".cache", ".config", ".local", "root", "run", "tmp"}, "what is left is Podman's own"
