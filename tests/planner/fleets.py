"""Fleets and policies out of the air, for tests of the planner."""

from datetime import UTC, datetime
from typing import Any

from hypothesis import strategies as st

from rollout.model.fleet import Kind, Origin, RuntimeName, Setting, Tier
from rollout.model.plan import Candidate
from rollout.model.policy import Amount, Grouping, Policy, TierPolicy

NOW = datetime(2024, 6, 4, 14, 2, tzinfo=UTC)
LEGACY = RuntimeName.LEGACY
V2 = RuntimeName.V2


def candidate(name: str, environment: str = "shop", customer: str = "acme", **changes: Any) -> Candidate:
    usual: dict[str, Any] = {
        "id": f"{environment}/{name}",
        "customer": customer,
        "environment": environment,
        "tier": Tier.TRIAL,
        "kind": Kind.HTTP,
        "setting": Setting(),
        "settings_hash": f"s-{name}",
        "release": 1,
        "runs_on": (LEGACY,),
    }
    return Candidate(**{**usual, **changes})


amounts = st.one_of(
    st.integers(1, 6).map(lambda n: Amount(count=n)), st.sampled_from([5, 10, 33.4, 50, 100]).map(lambda p: Amount(percent=p))
)


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    tiers = draw(st.permutations(list(Tier)))[: draw(st.integers(1, 4))]
    return Policy(
        name="drawn",
        tiers=tuple(TierPolicy(tier=tier, first=draw(amounts), size=draw(amounts)) for tier in tiers),
        per_customer_in_wave=draw(st.one_of(st.none(), st.integers(1, 4))),
        environments=draw(st.sampled_from(Grouping)),
        worker_overlap=draw(st.booleans()),
        priority_boarding=draw(st.booleans()),
    )


seldom = st.integers(0, 9).map(lambda n: n == 0)


@st.composite
def _services(draw: st.DrawFn, number: int) -> Candidate:
    on = draw(st.sampled_from([(LEGACY,)] * 8 + [(), (V2,), (LEGACY, V2)]))
    return candidate(
        f"s{number}",
        environment=draw(st.sampled_from(["e1", "e2", "e3", "e4"])),
        customer=draw(st.sampled_from(["ann", "bob", "cy"])),
        tier=draw(st.sampled_from(Tier)),
        kind=draw(st.sampled_from([Kind.HTTP] * 5 + [Kind.TCP, Kind.WORKER, Kind.CRON])),
        setting=Setting(runtime=draw(st.sampled_from(RuntimeName)), origin=draw(st.sampled_from(Origin))),
        runs_on=on,
        release=draw(st.integers(1, 3)) if on else None,
        has_command=not draw(seldom),
        has_volume=draw(seldom),
        fixed_port=draw(seldom),
        apart=draw(st.booleans()),
        pinned="by ann" if draw(seldom) else None,
        blocked="5xx" if draw(seldom) else None,
        moving="in wave-1" if draw(seldom) else None,
        no_engine="only an image" if draw(seldom) else None,
        asked_for_v2=draw(seldom),
    )


@st.composite
def fleets(draw: st.DrawFn) -> list[Candidate]:
    return [draw(_services(number)) for number in range(draw(st.integers(0, 40)))]
