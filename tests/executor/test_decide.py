"""The decision as a table: a row, what a look found, what holds for the wave, and the one action that follows."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from rollout.executor.actions import Action, Do, Fire, Look, Remind, Rules, Seen, Wait, evidence
from rollout.executor.decide import decide
from rollout.executor.patience import ACCEPTED, COMES_BACK, DECIDED, FALLS_BACK
from rollout.executor.ports import Copy
from rollout.model.fleet import Release, RuntimeName, Service, Tier
from rollout.model.move import Move
from rollout.model.plan import Strategy
from rollout.model.policy import Deadlines, HealthGate, Inconclusive, Overrun, Policy, TierPolicy
from rollout.model.state import Event, State
from rollout.model.verdict import Outcome, Verdict

NOW = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
POLICY = Policy(
    name="p",
    tiers=(TierPolicy(tier=Tier.TRIAL),),
    steps=(10, 100),
    step_s=30,
    bake_s=60,
    keep_warm_s=600,
    hold_limit_s=1000,
    health=HealthGate(every_s=1),
    deadlines=Deadlines(proving_s=20, step_s=100, draining_s=5),
)
RULES = Rules(policy=POLICY)
SPEC = Service(name="api", environment="shop", customer="c", tier=Tier.TRIAL, health_timeout_s=10, draining_s=3)
RELEASE = Release(service=SPEC.id, number=1, created=NOW, created_by="ann", spec=SPEC)
ALL = ("publish", "launch", "shift:10", "shift:100")


def row(state: State, ago: float = 0.0, **more: object) -> Move:
    since = NOW - timedelta(seconds=ago)
    usual = Move(
        id="wave-1/shop/api",
        service=SPEC.id,
        wave=1,
        source=RuntimeName.LEGACY,
        target=RuntimeName.V2,
        strategy=Strategy.OVERLAP,
        since=since,
        mark=since,
        steps=(10, 100),
        state=state,
    )
    return replace(usual, **more)


def copy(side: RuntimeName = RuntimeName.V2, **more: int) -> Copy:
    return replace(Copy(service=SPEC.id, runtime=side, token="t", running=1, wanted=1), **more)


def verdict(outcome: Outcome, gate: str = "traffic") -> Verdict:
    return Verdict(gate=gate, outcome=outcome, reason=f"says {outcome}", at=NOW)


def seen(*outcomes: Outcome, **more: object) -> Seen:
    verdicts = tuple(verdict(o) for o in outcomes)
    return replace(Seen(release=RELEASE, target=copy(), source=copy(RuntimeName.LEGACY), verdicts=verdicts), **more)


def later(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


GOOD = seen(Outcome.PASS)
UNSURE = seen(Outcome.INCONCLUSIVE)
LEGACY_GONE = seen(Outcome.PASS, source=None)
PAUSED = replace(RULES, paused="paused by ann")
CLOSED = replace(RULES, closed="frozen by ann")
STOPPED = replace(RULES, stopped="failure budget")
OVERDUE = {"deadline": NOW - timedelta(seconds=1)}
HALF = {"begun": ALL[:3], "weight": 10}
FULL = {"begun": ALL, "weight": 100, "step": 1}
GAP = {"strategy": Strategy.RECREATE, "steps": (100,)}
TRIED = "legacy to come up: it is launched again and again"
FELL = {"begun": ALL[:3], "weight": 10, "end": State.FELL_BACK}

CASES: dict[str, tuple[Rules, Move, Seen | None, Action | tuple[Event, str] | str]] = {
    "publish first": (RULES, row(State.PUBLISHING), None, Do(step="publish")),
    "half done is done again": (RULES, row(State.LAUNCHING, doing="launch", begun=ALL[:2]), None, Do(step="launch")),
    "half done for too long": (
        RULES,
        row(State.LAUNCHING, doing="launch", begun=ALL[:2], **OVERDUE),
        None,
        (Event.FAILED, "in time"),
    ),
    "published": (RULES, row(State.PUBLISHING, begun=ALL[:1]), None, Fire(event=Event.OK)),
    "paused before launch": (PAUSED, row(State.PUBLISHING, begun=ALL[:1]), None, Wait(until=later(1), hold="paused by ann")),
    "paused by service": (
        replace(RULES, paused_services={SPEC.id: "paused by ben"}),
        row(State.PUBLISHING, begun=ALL[:1]),
        None,
        Wait(until=later(1), hold="paused by ben"),
    ),
    "budget before traffic": (STOPPED, row(State.PUBLISHING), None, (Event.BUDGET, "failure budget")),
    "gap: stop first": (RULES, row(State.GAP, begun=ALL[:1], **GAP), None, Do(step="gap")),
    "gap: then launch": (PAUSED, row(State.GAP, begun=("publish", "gap"), **GAP), None, Do(step="launch")),
    "gap: then prove": (CLOSED, row(State.GAP, begun=("publish", "gap", "launch"), **GAP), None, Fire(event=Event.OK)),
    "gap: no budget in it": (STOPPED, row(State.PROVING, begun=("publish", "gap", "launch"), **GAP), None, Look()),
    "proving looks": (RULES, row(State.PROVING, begun=ALL[:2]), None, Look()),
    "proving passes": (RULES, row(State.PROVING, begun=ALL[:2]), GOOD, (Event.OK, "")),
    "proving unsure": (RULES, row(State.PROVING, begun=ALL[:2]), UNSURE, Wait(until=later(1), remark="traffic")),
    "proving unsure too long": (RULES, row(State.PROVING, 20, begun=ALL[:2], **OVERDUE), UNSURE, (Event.FAILED, "not proven")),
    "proving: the service's own limit": (
        RULES,
        row(State.PROVING, 5, begun=ALL[:2], **OVERDUE),
        UNSURE,
        Wait(until=later(1), remark="traffic"),
    ),
    "proving fails": (RULES, row(State.PROVING, begun=ALL[:2]), seen(Outcome.FAIL), (Event.FAILED, "says fail")),
    "proving: gate broken": (
        RULES,
        row(State.PROVING, begun=ALL[:2]),
        seen(Outcome.ERROR),
        Wait(until=later(1), hold="traffic: says error", evidence=evidence(seen(Outcome.ERROR))),
    ),
    "proving: host part gone": (RULES, row(State.PROVING, begun=ALL[:2]), Seen(broken="gone"), Wait(until=later(1), hold="gone")),
    "proving: legacy gone": (
        RULES,
        row(State.PROVING, begun=ALL[:2]),
        LEGACY_GONE,
        Wait(until=later(1), hold="legacy is not healthy: no copy runs on legacy"),
    ),
    "proving: v2 gone": (RULES, row(State.PROVING, begun=ALL[:2]), seen(target=None), (Event.FAILED, "no copy runs on v2")),
    "proving: both gone": (RULES, row(State.PROVING, begun=ALL[:2]), seen(target=None, source=None), (Event.BOTH_LOST, "legacy")),
    "proving: a restart": (RULES, row(State.PROVING, begun=ALL[:2]), seen(target=copy(restarts=1)), (Event.FAILED, "restarted")),
    "proving: a replica short": (RULES, row(State.PROVING, begun=ALL[:2]), seen(target=copy(wanted=2)), (Event.FAILED, "1 of 2")),
    "proving: traffic goes back first": (
        CLOSED,
        row(State.PROVING, **HALF),
        seen(source_verdicts=(verdict(Outcome.PASS),)),
        Do(step="undo:shift:10"),
    ),
    "shift": (RULES, row(State.SHIFTING, begun=ALL[:2]), None, Do(step="shift:10")),
    "shift is held, gates look": (PAUSED, row(State.SHIFTING, begun=ALL[:2]), None, Look()),
    "shift is held": (PAUSED, row(State.SHIFTING, begun=ALL[:2]), GOOD, Wait(until=later(1), hold="paused by ann")),
    "dwell": (RULES, row(State.SHIFTING, 29.5, **HALF), GOOD, Wait(until=later(0.5))),
    "dwell is over": (RULES, row(State.SHIFTING, 30, **HALF), GOOD, (Event.OK, "")),
    "dwell counts without holds": (RULES, row(State.SHIFTING, 30, held_s=5.0, **HALF), GOOD, Wait(until=later(1))),
    "legacy gone holds": (RULES, row(State.SHIFTING, 30, **HALF), LEGACY_GONE, "approve shop/api"),
    "legacy gone, approved": (RULES, row(State.SHIFTING, 30, approved=True, **HALF), LEGACY_GONE, (Event.OK, "")),
    "window's end above zero": (CLOSED, row(State.SHIFTING, **HALF), GOOD, (Event.CLOSED, "frozen")),
    "window's end, legacy gone": (CLOSED, row(State.SHIFTING, **HALF), LEGACY_GONE, "approve shop/api"),
    "overrun holds": (
        replace(CLOSED, policy=replace(POLICY, overrun=Overrun.HOLD)),
        row(State.SHIFTING, **HALF),
        GOOD,
        Wait(until=later(1), hold="frozen by ann"),
    ),
    "budget holds traffic": (STOPPED, row(State.SHIFTING, **HALF), GOOD, Wait(until=later(1), hold="failure budget")),
    "held too long": (
        PAUSED,
        row(State.SHIFTING, held_since=NOW - timedelta(seconds=1000), **HALF),
        None,
        (Event.HOLD_OVER, "held at 10 %"),
    ),
    "unsure, more time": (
        RULES,
        row(State.SHIFTING, 40, deadline=later(9), **HALF),
        UNSURE,
        Wait(until=later(1), remark="traffic"),
    ),
    "unsure, time over: hold": (
        RULES,
        row(State.SHIFTING, 101, **OVERDUE, **HALF),
        UNSURE,
        "inconclusive (traffic: says inconclusive): approve",
    ),
    "unsure, still held": (
        RULES,
        row(State.SHIFTING, 201, deadline=NOW - timedelta(seconds=100), held_since=NOW - timedelta(seconds=99), **HALF),
        UNSURE,
        "inconclusive",
    ),
    "unsure, approved": (RULES, row(State.SHIFTING, 101, approved=True, **OVERDUE, **HALF), UNSURE, (Event.OK, "")),
    "unsure, probe": (
        replace(RULES, inconclusive=Inconclusive.PROBE),
        row(State.SHIFTING, 101, **OVERDUE, **HALF),
        seen(Outcome.PASS, Outcome.INCONCLUSIVE),
        "inconclusive (traffic: says inconclusive): approve",
    ),
    "unsure, accept after longer": (
        replace(RULES, inconclusive=Inconclusive.ACCEPT),
        row(State.SHIFTING, 250, deadline=NOW - timedelta(seconds=150), **HALF),
        UNSURE,
        (Event.OK, "accepted"),
    ),
    "last step": (RULES, row(State.SHIFTING, **FULL), None, Fire(event=Event.OK)),
    "bake": (RULES, row(State.BAKING, 59, **FULL), GOOD, Wait(until=later(1))),
    "bake is over": (RULES, row(State.BAKING, 60, **FULL), GOOD, (Event.OK, "")),
    "bake without a way back": (
        RULES,
        row(State.BAKING, 10, **FULL),
        LEGACY_GONE,
        Wait(until=later(1), remark="no way back now: legacy has died"),
    ),
    "warm": (RULES, row(State.WARM, 1, **FULL), GOOD, Wait(until=later(6))),
    "warm is over": (RULES, row(State.WARM, 600, **FULL), GOOD, Fire(event=Event.OK)),
    "warm, paused": (PAUSED, row(State.WARM, 600, **FULL), GOOD, Wait(until=later(1), hold="paused by ann")),
    "warm, frozen": (CLOSED, row(State.WARM, 600, **FULL), GOOD, Wait(until=later(1), hold="frozen by ann")),
    "warm, budget": (STOPPED, row(State.WARM, 600, **FULL), GOOD, Fire(event=Event.OK)),
    "warm, v2 dies": (RULES, row(State.WARM, 5, **FULL), seen(target=None), (Event.FAILED, "v2")),
    "warm, a restart": (RULES, row(State.WARM, 1, **FULL), seen(Outcome.PASS, target=copy(restarts=1)), Wait(until=later(6))),
    "drains": (RULES, row(State.FINISHING, 1, **FULL), seen(open_on_source=2), Wait(until=later(1), remark="legacy drains")),
    "drains while paused": (PAUSED, row(State.FINISHING, 1, **FULL), seen(open_on_source=0), Do(step="finish")),
    "drained long enough": (
        RULES,
        row(State.FINISHING, 3, **FULL),
        seen(open_on_source=2),
        Do(step="finish", evidence={"outlived": 2}),
    ),
    "legacy is kept while v2 is ill": (RULES, row(State.FINISHING, 9, **FULL), seen(target=None), "legacy is kept"),
    "finished": (RULES, row(State.FINISHING, begun=(*ALL, "finish")), None, Fire(event=Event.OK)),
    "nothing to stop after a gap": (RULES, row(State.FINISHING, **GAP), None, Fire(event=Event.OK)),
    "back: prove first": (RULES, row(State.FALLING_BACK, **FELL), None, Look()),
    "back: not yet proven": (
        RULES,
        row(State.FALLING_BACK, **FELL),
        seen(source_verdicts=(verdict(Outcome.INCONCLUSIVE),)),
        Wait(until=later(1), remark="legacy is looked at"),
    ),
    "back: then shift": (PAUSED, row(State.FALLING_BACK, **FELL), seen(), Do(step="undo:shift:10")),
    "back: legacy is ill": (
        RULES,
        row(State.FALLING_BACK, **FELL),
        seen(source_verdicts=(verdict(Outcome.FAIL),)),
        (Event.FAILED, "cannot fall back"),
    ),
    "back: legacy is gone": (RULES, row(State.FALLING_BACK, **FELL), seen(source=None), (Event.SOURCE_LOST, "cannot fall back")),
    "back: gate broken": (
        RULES,
        row(State.FALLING_BACK, **FELL),
        seen(source_verdicts=(verdict(Outcome.ERROR),)),
        Wait(until=later(1), hold="traffic: says error"),
    ),
    "back: drain": (
        RULES,
        row(State.FALLING_BACK, 1, begun=ALL[:2]),
        seen(open_on_target=1),
        Wait(until=later(1), remark="v2 drains"),
    ),
    "back: then stop": (CLOSED, row(State.FALLING_BACK, 1, begun=ALL[:2]), seen(), Do(step="undo:launch")),
    "back: then unpublish": (STOPPED, row(State.FALLING_BACK, begun=ALL[:1]), seen(), Do(step="undo:publish")),
    "back: the end": (RULES, row(State.FALLING_BACK, end=State.ABORTED), None, Fire(event=Event.OK)),
    "back from a gap: launch legacy again": (
        RULES,
        row(State.FALLING_BACK, begun=("publish", "gap"), **GAP),
        seen(source=None),
        Do(step="undo:gap"),
    ),
    "stuck looks": (RULES, row(State.STUCK, **FELL), None, Look()),
    "stuck waits": (RULES, row(State.STUCK, **FELL), seen(source=None), Wait(until=later(10))),
    "stuck, legacy is back": (RULES, row(State.STUCK, **FELL), seen(), (Event.OK, "healthy again")),
    "stuck reminds": (
        RULES,
        row(State.STUCK, reason="why", **OVERDUE, **FELL),
        seen(source=None),
        Remind(reason="shop/api is still stuck: why"),
    ),
    "stuck in a gap tries again": (
        RULES,
        row(State.STUCK, 10, begun=("publish", "gap"), **GAP),
        seen(source=None),
        Do(step="undo:gap"),
    ),
    "stuck in a gap waits for the next try": (
        RULES,
        row(State.STUCK, 9, begun=("publish", "gap"), **GAP),
        seen(source=None),
        Wait(until=later(1), remark=TRIED),
    ),
    "stuck in a gap for long tries less often": (
        RULES,
        row(State.STUCK, 215, mark=NOW - timedelta(seconds=15), begun=("publish", "gap"), **GAP),
        seen(source=None),
        Wait(until=later(5), remark=TRIED),
    ),
    "stuck in a gap for hours tries twice a minute": (
        RULES,
        row(State.STUCK, 9000, mark=NOW - timedelta(seconds=20), begun=("publish", "gap"), **GAP),
        seen(source=None),
        Wait(until=later(10), remark=TRIED),
    ),
    "stuck in a gap reminds": (
        RULES,
        row(State.STUCK, 9, reason="why", begun=("publish", "gap"), **OVERDUE, **GAP),
        seen(source=None),
        Remind(reason="shop/api is still stuck: why"),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_the_action_follows(name: str) -> None:
    rules, move, found, expected = CASES[name]
    action = decide(rules, move, found, NOW)
    if isinstance(expected, str):
        assert isinstance(action, Wait)
        assert expected in action.hold
    elif isinstance(expected, tuple):
        assert isinstance(action, Fire)
        assert action.event is expected[0]
        assert expected[1] in action.reason
    else:
        assert (replace(action, ends=None, then="") if isinstance(action, Wait) else action) == expected


HELD = {"held_since": NOW - timedelta(seconds=99), "deadline": NOW - timedelta(seconds=100)}
LIMITS: dict[str, tuple[Rules, Move, Seen, float | None, str]] = {
    "proving": (RULES, row(State.PROVING, 5, begun=ALL[:2], deadline=later(15)), UNSURE, 15, FALLS_BACK),
    "proving: the service's own limit": (RULES, row(State.PROVING, 5, begun=ALL[:2], **OVERDUE), UNSURE, 5, FALLS_BACK),
    "hold": (RULES, row(State.SHIFTING, 40, deadline=later(9), **HALF), UNSURE, 9, DECIDED[Inconclusive.HOLD]),
    "time in which it was held": (
        RULES,
        row(State.SHIFTING, 40, deadline=later(9), held_s=7.0, **HALF),
        UNSURE,
        16,
        DECIDED[Inconclusive.HOLD],
    ),
    "probe": (
        replace(RULES, inconclusive=Inconclusive.PROBE),
        row(State.BAKING, 70, deadline=later(9), **FULL),
        UNSURE,
        9,
        DECIDED[Inconclusive.PROBE],
    ),
    "accept": (
        replace(RULES, inconclusive=Inconclusive.ACCEPT),
        row(State.SHIFTING, 40, deadline=later(60), **HALF),
        UNSURE,
        60,
        DECIDED[Inconclusive.ACCEPT],
    ),
    "accept, late": (
        replace(RULES, inconclusive=Inconclusive.ACCEPT),
        row(State.SHIFTING, 101, **OVERDUE, **HALF),
        UNSURE,
        -101 + 200,
        ACCEPTED,
    ),
    "inconclusive and held": (RULES, row(State.SHIFTING, 101, **OVERDUE, **HALF), UNSURE, 1000, COMES_BACK),
    "held for long": (RULES, row(State.SHIFTING, 201, **HELD, **HALF), UNSURE, 901, COMES_BACK),
    "paused above zero": (PAUSED, row(State.SHIFTING, **HALF), GOOD, 1000, COMES_BACK),
    "paused at zero": (PAUSED, row(State.SHIFTING, begun=ALL[:2]), GOOD, None, ""),
    "warm": (PAUSED, row(State.WARM, **FULL), GOOD, None, ""),
    "watched, all is well": (RULES, row(State.SHIFTING, 3, deadline=later(90), **HALF), GOOD, None, ""),
}


@pytest.mark.parametrize("name", LIMITS)
def test_a_wait_says_how_long_it_can_last_and_what_happens_then(name: str) -> None:
    rules, move, found, seconds, then = LIMITS[name]
    action = decide(rules, move, found, NOW)
    assert isinstance(action, Wait)
    assert (action.ends, action.then) == (None if seconds is None else later(seconds), then)


def test_what_is_told_then_is_what_happens_then() -> None:
    """At the very moment that was told, and not just before."""
    what = {FALLS_BACK: Event.FAILED, ACCEPTED: Event.OK, COMES_BACK: Event.HOLD_OVER}
    for rules, move, found, seconds, then in LIMITS.values():
        if then not in what or seconds is None:
            continue
        held = {"held_since": move.held_since or NOW} if then == COMES_BACK else {}
        row_then = replace(move, **held)
        before, after = (decide(rules, row_then, found, later(seconds + d)) for d in (-0.1, 0))
        assert isinstance(before, Wait)
        assert isinstance(after, Fire)
        assert after.event is what[then]


def test_a_back_move_is_held_by_nothing() -> None:
    back = {"source": RuntimeName.V2, "target": RuntimeName.LEGACY, "steps": (100,)}
    for rules in (PAUSED, CLOSED, STOPPED):
        assert decide(rules, row(State.PUBLISHING, begun=ALL[:1], **back), None, NOW) == Fire(event=Event.OK)
        assert decide(rules, row(State.SHIFTING, begun=ALL[:2], **back), None, NOW) == Do(step="shift:100")
