"""Policy files: what they mean, and the one clear error where they do not fit."""

from datetime import UTC, date, datetime

import pytest

from rollout.errors import Exit, UsageError
from rollout.manifests import policy
from rollout.model.fleet import Tier
from rollout.model.plain import from_plain, to_plain
from rollout.model.policy import Amount, Grouping, Inconclusive, Overrun, PerformanceGate, Policy

TIERS = '[[tier]]\nname = "trial"\n'


def parse(text: str) -> Policy:
    return policy.parse(text, name="mine", file="mine.toml")


def test_the_default_names_every_tier_in_order_and_no_date() -> None:
    default = policy.default()
    assert [t.tier for t in default.tiers] == [Tier.TRIAL, Tier.HOBBY, Tier.PRO, Tier.ENTERPRISE]
    assert default.name == "default"
    assert default.deadline is None
    assert default.v2_default_from is None
    assert default.steps == (1, 10, 50, 100)
    assert default.tier(Tier.ENTERPRISE).approvals == 1


def test_runtime_v2_is_the_case() -> None:
    case, text = policy.read("runtime-v2")
    assert case.v2_default_from == datetime(2024, 6, 4, tzinfo=UTC)
    assert case.deadline == date(2024, 7, 31)
    assert [t.tier for t in case.tiers] == [Tier.TRIAL, Tier.HOBBY, Tier.PRO, Tier.ENTERPRISE]
    assert "#" in text


@pytest.mark.parametrize("name", sorted(policy.shipped()))
def test_every_shipped_policy_survives_its_plain_form(name: str) -> None:
    read, _ = policy.read(name)
    assert from_plain(Policy, to_plain(read)) == read


def test_the_manual_shows_every_key() -> None:
    text = policy.shipped()["default"]
    for fields in (policy.TOP, policy.WAVES, policy.TRAFFIC, policy.CALENDAR, policy.CONCURRENCY, policy.TIER):
        assert [key for key in fields if f"{key} = " not in text] == []
    for fields in (policy.DEADLINES, policy.HEALTH, policy.TRAFFIC_GATE, policy.PERFORMANCE, policy.SNAPSHOTS):
        assert [key for key in fields if f"{key} = " not in text] == []


def test_every_key_is_read() -> None:
    read = parse("""
expires = "7d"
pin = "10d"
[waves]
per_customer = 2
environments = "apart"
priority_boarding = false
worker_overlap = true
[traffic]
steps = [50, 100]
step = "0s"
bake = "1h30m"
keep_warm = "250ms"
hold_limit = "2d"
overrun = "hold"
[calendar]
v2_default_from = 2024-06-04T09:00:00+02:00
[gates.traffic]
on = false
[[tier]]
name = "pro"
first = "2.5%"
size = 7
budget = 0
inconclusive = "accept"
approvals = 2
max_blocked = 3
[[tier]]
name = "trial"
""")
    assert (read.name, read.expires_days, read.pin_days, read.per_customer_in_wave) == ("mine", 7, 10, 2)
    assert (read.environments, read.priority_boarding, read.worker_overlap) == (Grouping.APART, False, True)
    assert (read.steps, read.step_s, read.bake_s, read.keep_warm_s) == ((50, 100), 0.0, 5400.0, 0.25)
    assert (read.hold_limit_s, read.overrun) == (172800.0, Overrun.HOLD)
    assert read.v2_default_from == datetime(2024, 6, 4, 7, tzinfo=UTC)
    assert read.traffic is None
    pro = read.tiers[0]
    assert (pro.tier, pro.first, pro.size, pro.budget) == (Tier.PRO, Amount(percent=2.5), Amount(count=7), Amount(count=0))
    assert (pro.inconclusive, pro.approvals, pro.max_blocked) == (Inconclusive.ACCEPT, 2, 3)
    assert read.tiers[1].tier is Tier.TRIAL


REFUSED = [
    ("", ["mine.toml: tier: expected one [[tier]]"]),
    ("tier = 3\n", ["tier: expected one [[tier]]"]),
    ("steps = [1\n", ["mine.toml is not TOML: Unclosed array"]),
    ("expirs = '3d'\n" + TIERS, ["mine.toml:1: expirs: unknown key; did you mean expires?"]),
    ("[wave]\nx = 1\n" + TIERS, ["mine.toml:1: wave: unknown key; did you mean waves?"]),
    ("[traffic]\n\nbake = 'long'\n" + TIERS, ["mine.toml:3: traffic.bake", '"long"', "expected a duration such as 30s"]),
    ("[traffic]\nbake = 30\n" + TIERS, ["mine.toml:2: traffic.bake: 30 does not fit: expected a duration"]),
    ("expires = '999999999d'\n" + TIERS, ["mine.toml:1: expires", "expected a duration of at most 36500d"]),
    ("pin = '36501d'\n" + TIERS, ["mine.toml:1: pin", "expected a duration of at most 36500d"]),
    ("[traffic]\nkeep_warm = '9999999999999999d'\n" + TIERS, ["mine.toml:2: traffic.keep_warm", "at most 36500d"]),
    ("[traffic]\nbake = '0s'\n" + TIERS, ["mine.toml:2", "expected a duration longer than nothing"]),
    ("[traffic]\nsteps = [10, 5, 100]\n" + TIERS, ["mine.toml:2: traffic.steps", "rising percentages that end with 100"]),
    ("[traffic]\nsteps = [1, 50]\n" + TIERS, ["end with 100"]),
    ("[traffic]\nsteps = [true, 100]\n" + TIERS, ["end with 100"]),
    ("[traffic]\nsteps = []\n" + TIERS, ["end with 100"]),
    ("traffic = 3\n" + TIERS, ["mine.toml:1: traffic: 3 does not fit: expected a table [traffic]"]),
    ("[waves]\nenvironments = 'togehter'\n" + TIERS, ["one of together, apart, any", "did you mean together?"]),
    ("[waves]\nper_customer = 0\n" + TIERS, ["mine.toml:2: waves.per_customer: 0", "a whole number of at least 1"]),
    ("[waves]\npriority_boarding = 'yes'\n" + TIERS, ["waves.priority_boarding", "true or false"]),
    ("[concurrency]\ntotal = true\n" + TIERS, ["concurrency.total: true does not fit", "whole number"]),
    ("[calendar]\ndeadline = '2024-07-31'\n" + TIERS, ["calendar.deadline", "a date without quotes"]),
    ("[calendar]\nv2_default_from = 2024-06-04T09:00:00\n" + TIERS, ["v2_default_from", "with its zone"]),
    ("[gates.helth]\n" + TIERS, ["mine.toml:1: gates.helth: unknown gate; did you mean health?"]),
    ("[gates]\nhealth = 3\n" + TIERS, ["mine.toml:2: gates.health: 3 does not fit"]),
    ("[gates.health]\npasses = 4\nlooks = 3\n" + TIERS, ["mine.toml:2: gates.health.passes", "4 of 3 looks"]),
    ("[gates.health]\nstatus_max = 999\n" + TIERS, ["from 200 to 599"]),
    ("[gates.traffic]\nmax_increase = 0.02\n" + TIERS, ['a share such as "2%"']),
    (TIERS + "first = '0%'\n", ["mine.toml:3: tier.first", 'or a share such as "20%"']),
    (TIERS + "size = 0\n", ["tier.size: 0 does not fit", "at least 1"]),
    (TIERS + "[[tier]]\nfirst = 3\n", ["mine.toml:3: tier.name: missing", "trial, hobby, pro, enterprise"]),
    (TIERS + "[[tier]]\nname = 'hoby'\n", ["mine.toml:4: tier.name", "did you mean hobby?"]),
    (TIERS + "[[tier]]\nname = 'trial'\n", ["mine.toml:4: tier.name: the tier trial stands here twice"]),
    (TIERS + "[[tier]]\nname = 'pro'\nbugdet = 1\n", ["mine.toml:5: tier.bugdet: unknown key; did you mean budget?"]),
    ("expires = '36h'\n" + TIERS, ["whole days"]),
]


@pytest.mark.parametrize(("text", "expected"), REFUSED, ids=range(len(REFUSED)))
def test_one_clear_error_with_file_line_and_key(text: str, expected: list[str]) -> None:
    with pytest.raises(UsageError) as caught:
        parse(text)
    assert [part for part in expected if part not in caught.value.what] == [], caught.value.what
    assert caught.value.exit_code == Exit.USAGE


def test_a_mistyped_name_is_answered_with_what_was_meant() -> None:
    with pytest.raises(UsageError, match=r"no policy runtime-v1; did you mean runtime-v2\?"):
        policy.read("runtime-v1")


def test_a_file_that_is_not_there_or_not_text(tmp_path) -> None:
    with pytest.raises(UsageError, match="cannot read the policy"):
        policy.read(str(tmp_path / "none.toml"))
    (tmp_path / "bad.toml").write_bytes(b"name = '\xff'")
    with pytest.raises(UsageError, match="not UTF-8"):
        policy.read(str(tmp_path / "bad.toml"))


def test_a_file_is_named_by_its_stem(tmp_path) -> None:
    (tmp_path / "slow.toml").write_text(TIERS)
    read, text = policy.read(str(tmp_path / "slow.toml"))
    assert (read.name, text) == ("slow", TIERS)


PERFORMANCE = """
[gates.performance]
min_requests = 500
max_slowdown = "150%"
tolerance = "3ms"
quantile = 0.9
alpha = 0.02
warm_up = 0
over = "5s"
[snapshots]
before = "2m"
"""


def test_the_performance_gate_is_read() -> None:
    read = parse(PERFORMANCE + TIERS)
    gate = PerformanceGate(min_requests=500, max_slowdown=1.5, tolerance_s=0.003, quantile=0.9, alpha=0.02, warm_up=0, over_s=5.0)
    assert (read.performance, read.before_s) == (gate, 120.0)


def test_the_performance_gate_is_asked_only_where_it_stands() -> None:
    assert parse(TIERS).performance is None
    assert parse("[gates.performance]\n" + TIERS).performance == PerformanceGate()
    assert parse("[gates.performance]\non = false\n" + TIERS).performance is None


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("min_requests = 99", ["min_requests", "99 are too few to compare the quantile 0.5", "at least 100"]),
        ("quantile = 0.95", ["min_requests", "200 are too few to compare the quantile 0.95", "at least 1000"]),
        ("quantile = 1.0", ["quantile", "a number from 0.01 to 0.99"]),
        ("quantile = true", ["quantile", "a number from 0.01 to 0.99"]),
        ("alpha = 0", ["alpha", "a number from 0.0001 to 0.2"]),
        ("max_slowdown = 20", ["max_slowdown", 'a percentage such as "20%"']),
        ("warm_up = -1", ["warm_up", "whole number"]),
    ],
)
def test_a_performance_gate_that_cannot_tell_is_refused(line: str, expected: list[str]) -> None:
    with pytest.raises(UsageError) as caught:
        parse(f"[gates.performance]\n{line}\n{TIERS}")
    assert [part for part in ["mine.toml", *expected] if part not in caught.value.what] == [], caught.value.what
