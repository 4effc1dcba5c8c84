"""What stands against removing the setting."""

from rollout.executor.finalize import BlockerKind, Facts, blockers


def test_nothing_stands_against_an_empty_list() -> None:
    assert blockers(Facts()) == []


def test_a_scheduled_wave_stands_against_it_too() -> None:
    facts = Facts(on_legacy=["shop/a"], scheduled=[("wave-3", "runs at two", "rollout schedule remove 1")])
    assert [(b.service, b.kind) for b in blockers(facts)] == [
        ("shop/a", BlockerKind.ON_LEGACY),
        ("wave-3", BlockerKind.SCHEDULED),
    ]


def test_each_service_is_named_once_with_its_most_pressing_reason() -> None:
    facts = Facts(
        on_legacy=["shop/a", "shop/b", "shop/c", "shop/d"],
        moving=[("shop/b", "baking")],
        blocked=[("shop/c", "5xx"), ("shop/b", "old")],
        pinned=[("shop/d", "holidays")],
    )
    found = {b.service: (b.kind, b.detail) for b in blockers(facts)}
    assert found == {
        "shop/a": (BlockerKind.ON_LEGACY, "it runs on legacy"),
        "shop/b": (BlockerKind.MOVING, "its move is baking"),
        "shop/c": (BlockerKind.BLOCKED, "5xx"),
        "shop/d": (BlockerKind.PINNED, "holidays"),
    }
    assert all(b.then.startswith("rollout ") and b.service in b.then for b in blockers(facts))
