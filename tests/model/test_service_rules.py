"""Names and the rules that every service keeps."""

from dataclasses import replace

import pytest

from rollout.model.fleet import Kind, Service, Tier
from rollout.model.names import is_label, to_label
from rollout.model.service_rules import problems

GOOD = Service(name="api", environment="shop", customer="acme", tier=Tier.PRO, command="run")


@pytest.mark.parametrize("text", ["a", "json-001", "0", "a" * 63])
def test_a_label_stays_as_it_is(text: str) -> None:
    assert is_label(text)
    assert to_label(text) == text


@pytest.mark.parametrize(
    ("text", "label"),
    [("My_App", "my-app"), ("--x--", "x"), ("a..b", "a-b"), ("é", ""), ("a" * 62 + "-bc", "a" * 62), ("", "")],
)
def test_anything_else_becomes_the_nearest_label_or_none(text: str, label: str) -> None:
    assert not is_label(text)
    assert to_label(text) == label
    assert is_label(label) or not label


def test_a_good_service_breaks_no_rule() -> None:
    assert problems(GOOD) == []
    assert problems(replace(GOOD, kind=Kind.CRON, cron="*/5 * * * *", health_path="/h", port=1, env={"A_1": ""})) == []
    assert problems(replace(GOOD, memory_mb=6, cpus=0.01, pids_max=1, read_only=True, stop_signal="SIGRTMIN+3")) == []


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": "Api"}, "name"),
        ({"environment": "a.b"}, "environment"),
        ({"customer": " "}, "customer"),
        ({"command": ()}, "command"),
        ({"port": 0}, "port"),
        ({"port": 65536}, "port"),
        ({"replicas": 0}, "replicas"),
        ({"replicas": 10**6}, "replicas"),
        ({"health_timeout_s": 0.0}, "health_timeout_s"),
        ({"health_timeout_s": float("inf")}, "health_timeout_s"),
        ({"draining_s": -1.0}, "draining_s"),
        ({"draining_s": float("nan")}, "draining_s"),
        ({"restart_max": -1}, "restart_max"),
        ({"memory_mb": 5}, "memory_mb"),
        ({"cpus": 0.001}, "cpus"),
        ({"cpus": float("nan")}, "cpus"),
        ({"pids_max": 0}, "pids_max"),
        ({"stop_signal": "INT"}, "stop_signal"),
        ({"stop_signal": "SIGRTMIN+99"}, "stop_signal"),
        ({"health_path": "health"}, "health_path"),
        ({"health_path": "/a b"}, "health_path"),
        ({"health_path": "/", "kind": Kind.WORKER}, "health_path"),
        ({"kind": Kind.CRON}, "cron"),
        ({"cron": "* * * * *"}, "cron"),
        ({"kind": Kind.CRON, "cron": "hourly"}, "cron"),
        ({"env": {"A B": ""}}, "env"),
        ({"env": {"A": "x\0y"}}, "env"),
        ({"command": ("run", "\ud800")}, "command"),
    ],
)
def test_each_broken_rule_names_its_field(change: dict[str, object], field: str) -> None:
    assert [name for name, _ in problems(replace(GOOD, **change))] == [field]  # type: ignore[arg-type]  # given by name
