"""`execute PLAN`: its waves in order, legacy kept long or short; the first one that stops ends it."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.scenarios.transcript import run

POLICY = """
name = "waves"
[waves]
environments = "any"
[traffic]
steps = [50, 100]
step = "0s"
bake = "50ms"
keep_warm = "{keep}"
[gates.health]
passes = 1
looks = 1
over = "0s"
every = "50ms"
[gates.traffic]
on = false
[[tier]]
name = "trial"
first = 1
size = 1
budget = 0
"""
Plan = Callable[..., str]


@pytest.fixture
def planned(home: Path, monkeypatch: pytest.MonkeyPatch) -> Plan:
    """Services of trial on legacy, a wave for each; the plan's id."""
    monkeypatch.setenv("NO_COLOR", "1")

    def plan(keep: str, names: str = "abc", broken: str = "") -> str:
        for name in names:
            fault = "--label 'fault.v2.launch_fails=no module'" if name in broken else ""
            run(f"rollout service add shop/{name} --tier trial --customer {name} --engine memory --command run {fault}")
        run("rollout service deploy --all")
        Path("waves.toml").write_text(POLICY.format(keep=keep))
        assert "[exit" not in run("rollout policy use waves.toml")
        said = run("rollout plan")
        found = re.search(r"plan-[0-9a-f]{8}", said)
        assert found, said
        return found[0]

    return plan


def ends(said: str) -> list[str]:
    """What each wave said at its end, without the time until which legacy is kept."""
    return [re.sub(r" until \d\d:\d\d.*", "", line) for line in said.splitlines() if line.startswith("wave-")]


@pytest.mark.parametrize(("keep", "word"), [("1h", "1 warm, legacy kept"), ("0s", "1 finished")])
def test_the_waves_are_moved_in_order(planned: Plan, keep: str, word: str) -> None:
    plan = planned(keep)
    said = run(f"rollout execute {plan}")
    assert ends(said) == [f"wave-{n}: {word}" for n in (1, 2, 3)]
    assert "[exit" not in said
    began = [line.split()[1] for line in said.splitlines() if "planned → publishing" in line]
    assert len(began) == len(set(began)) == 3
    again = run(f"rollout execute {plan}")
    assert "[exit" not in again
    assert "→" not in again


def test_one_over_its_budget_ends_it_and_the_next_waits(planned: Plan) -> None:
    plan = planned("1h", broken="b")
    said = run(f"rollout execute {plan}")
    assert said.endswith("[exit 4]\n")
    stopped = ends(said)[-1]
    assert "1 fell back: shop/b: no module" in stopped
    number = int(stopped.removeprefix("wave-").partition(":")[0])
    assert f"wave-{number} has stopped; next: rollout resume wave-{number}, or rollout abort wave-{number}" in said
    assert not any(line.startswith(f"wave-{number + 1}") for line in said.splitlines())
    refused = run(f"rollout execute wave-{number + 1}")
    assert refused.endswith("[exit 7]\n")
    assert f"wave-{number} has stopped: more of its moves failed than its budget allows" in refused
    assert f"next:  rollout resume wave-{number}, or rollout abort wave-{number}" in refused
    run(f"rollout resume wave-{number} --reason seen")
    said = run(f"rollout execute {plan}")
    assert ends(said)[-1] == "wave-3: 1 warm, legacy kept"
