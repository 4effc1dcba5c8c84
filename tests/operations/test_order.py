"""Whether a wave may begin: each reason against it is a value with the command that helps."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from rollout.errors import StaleError, WaitingError
from rollout.executor.ports import Control, ControlKind
from rollout.model.fleet import Kind, RuntimeName, Setting, Tier
from rollout.model.plan import Candidate, Wave
from rollout.model.policy import Policy, TierPolicy
from rollout.operations.order import Cause, TierLeft, obstacles, refuse, refuse_what_is_over
from rollout.operations.tiers import left
from rollout.store.progress import WaveFacts
from rollout.store.waves import ENDED, PLANNED, RUNNING, STOPPED, StoredWave

NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
POLICY = Policy(
    name="p",
    tiers=(
        TierPolicy(tier=Tier.TRIAL, max_blocked=1),
        TierPolicy(tier=Tier.HOBBY),
        TierPolicy(tier=Tier.ENTERPRISE, approvals=2),
    ),
)


def facts(number: int, tier: Tier, state: str = PLANNED, *, plan: str = "p") -> WaveFacts:
    return WaveFacts(
        number=number,
        plan=plan,
        position=number,
        tier=tier,
        size=1,
        state=state,
        began=None,
        ended=None,
        detached=False,
        plan_expires=NOW + timedelta(days=1),
        superseded_by=None,
    )


def stored(found: WaveFacts, *, boarding: bool = False) -> StoredWave:
    wave = Wave(number=found.number, tier=found.tier, moves=(), boarding=boarding)
    return StoredWave(facts=found, wave=wave, policy=POLICY)


def control(kind: ControlKind, subject: str, actor: str = "ann") -> Control:
    return Control(id=1, kind=kind, subject=subject, actor=actor, reason="because", at=NOW)


def causes(
    wave: StoredWave,
    *waves: WaveFacts,
    left: dict[Tier, TierLeft] | None = None,
    controls: tuple[Control, ...] = (),
    out_of_order: bool = False,
) -> list[Cause]:
    found = obstacles(wave, waves=(wave.facts, *waves), left=left or {}, controls=controls, out_of_order=out_of_order)
    return [obstacle.cause for obstacle in found]


TRIAL, HOBBY, ENTERPRISE = facts(1, Tier.TRIAL), facts(2, Tier.HOBBY), facts(3, Tier.ENTERPRISE)


def test_the_first_wave_has_nothing_against_it() -> None:
    assert causes(stored(TRIAL), HOBBY) == []


def test_earlier_waves_of_the_plan_must_have_ended() -> None:
    assert causes(stored(HOBBY), TRIAL) == [Cause.EARLIER_WAVE]
    assert causes(stored(HOBBY), replace(TRIAL, state=RUNNING)) == [Cause.EARLIER_WAVE]
    assert causes(stored(HOBBY), replace(TRIAL, state=ENDED)) == []


def test_a_stopped_wave_of_the_tier_or_of_the_plan_stops_the_next_ones_whatever_is_overridden() -> None:
    stopped = facts(1, Tier.HOBBY, STOPPED, plan="other")
    assert causes(stored(HOBBY), stopped, out_of_order=True) == [Cause.STOPPED_WAVE]
    assert causes(stored(HOBBY), facts(1, Tier.TRIAL, STOPPED), out_of_order=True) == [Cause.STOPPED_WAVE]


def test_the_tiers_before_must_be_done() -> None:
    assert causes(stored(HOBBY), facts(1, Tier.TRIAL, plan="other")) == [Cause.EARLIER_TIER]
    assert causes(stored(HOBBY), left={Tier.TRIAL: TierLeft(eligible=["shop/a"])}) == [Cause.EARLIER_TIER]
    assert causes(stored(HOBBY), left={Tier.TRIAL: TierLeft(blocked=["shop/a"])}) == []
    assert causes(stored(HOBBY), left={Tier.TRIAL: TierLeft(blocked=["shop/a", "shop/b"])}) == [Cause.BLOCKED]
    assert causes(stored(HOBBY), left={Tier.ENTERPRISE: TierLeft(eligible=["shop/a"])}) == []


def test_an_owner_who_boards_first_passes_the_tiers_by() -> None:
    assert causes(stored(HOBBY, boarding=True), left={Tier.TRIAL: TierLeft(eligible=["shop/a"])}) == []


def test_out_of_order_is_asked_for_or_stands_as_a_row() -> None:
    assert causes(stored(HOBBY), TRIAL, out_of_order=True) == []
    assert causes(stored(HOBBY), TRIAL, controls=(control(ControlKind.OUT_OF_ORDER, "wave-2"),)) == []
    assert causes(stored(HOBBY), TRIAL, controls=(control(ControlKind.OUT_OF_ORDER, "wave-9"),)) == [Cause.EARLIER_WAVE]


def test_approvals_count_people() -> None:
    once = control(ControlKind.APPROVAL, "wave-3")
    assert causes(stored(ENTERPRISE), controls=(once, once)) == [Cause.APPROVAL]
    assert causes(stored(ENTERPRISE), controls=(once, control(ControlKind.APPROVAL, "wave-3", "bob"))) == []


@pytest.mark.parametrize(("subject", "halted"), [("*", True), ("wave-1", True), ("wave-2", False), ("shop/api", False)])
def test_pause_and_freeze_halt_what_they_name(subject: str, *, halted: bool) -> None:
    assert causes(stored(TRIAL), controls=(control(ControlKind.PAUSE, subject),)) == [Cause.PAUSE] * halted
    running = stored(replace(TRIAL, state=RUNNING))
    assert causes(running, controls=(control(ControlKind.FREEZE, subject),)) == [Cause.FREEZE] * halted


def test_a_wave_that_has_begun_minds_no_order() -> None:
    assert causes(stored(replace(HOBBY, state=RUNNING)), TRIAL) == []


def test_every_obstacle_is_named_with_what_helps() -> None:
    wave = stored(ENTERPRISE)
    found = obstacles(wave, waves=(TRIAL, HOBBY, ENTERPRISE), left={}, controls=(), out_of_order=False)
    with pytest.raises(WaitingError) as error:
        refuse(wave, found)
    assert "wave-1" in error.value.what
    assert "needs 2 approvals" in error.value.what
    assert "rollout approve wave-3" in error.value.then
    refuse(wave, [])


def test_what_is_over_names_its_successor() -> None:
    with pytest.raises(StaleError, match="plan-7") as error:
        refuse_what_is_over(stored(replace(TRIAL, state="superseded", superseded_by="plan-7")), NOW)
    assert error.value.then == "rollout show plan-7"
    with pytest.raises(StaleError, match="expired"):
        refuse_what_is_over(stored(TRIAL), NOW + timedelta(days=2))
    refuse_what_is_over(stored(replace(TRIAL, state=RUNNING)), NOW + timedelta(days=2))


def candidate(name: str, **more: object) -> Candidate:
    values: dict[str, object] = {
        "customer": "c",
        "environment": "shop",
        "tier": Tier.TRIAL,
        "kind": Kind.HTTP,
        "setting": Setting(),
        "settings_hash": "h",
        "release": 1,
        "runs_on": (RuntimeName.LEGACY,),
        **more,
    }
    return Candidate(id=f"shop/{name}", **values)  # type: ignore[arg-type]  # a test's shorthand


def test_a_tier_is_kept_open_by_who_can_be_planned_and_has_no_seat() -> None:
    fleet = [
        candidate("free"),
        candidate("seated"),
        candidate("pinned", pinned="pinned by ann"),
        candidate("blocked", blocked="health: 503"),
        candidate("done", runs_on=(RuntimeName.V2,)),
    ]
    found = left(fleet, POLICY, {"shop/seated"})[Tier.TRIAL]
    assert found == TierLeft(eligible=["shop/free"], blocked=["shop/blocked"])
