"""What people ask in the middle of a wave, and what holds it: obeyed at the next tick, and never against the way back."""

from dataclasses import replace

import pytest

from rollout.errors import Exit, FencedError
from rollout.executor.ports import ControlKind
from rollout.executor.result import Until
from rollout.model.fleet import Origin, RuntimeName, Setting
from rollout.model.lease import Holder
from rollout.model.plan import Strategy
from rollout.model.policy import Amount, Concurrency, Inconclusive, Overrun, TierPolicy
from rollout.model.state import State
from rollout.runtimes.memory import Fault
from tests.sim.simworld import HOLDER, POLICY, SimWorld

V2, LEGACY = RuntimeName.V2, RuntimeName.LEGACY
SHIFTING_AT = 5.0
BAKING_AT = 30.0
WARM_AT = 60.0
BEN = Holder(user="ben", host="there", pid=2, started=2.0, doing="revert shop/api")


def moving(until: str = "", **policy: object) -> tuple[SimWorld, str]:
    sim = SimWorld(policy=replace(POLICY, **policy))
    return sim, sim.add("api")


@pytest.mark.parametrize("when", [SHIFTING_AT, BAKING_AT, WARM_AT])
@pytest.mark.parametrize(
    ("kind", "value", "end", "blocked", "counts"),
    [
        (ControlKind.REVERT, "", State.FELL_BACK, True, False),
        (ControlKind.FAIL, "", State.FELL_BACK, True, True),
        (ControlKind.OWNER, "pin", State.ABORTED, False, False),
    ],
)
def test_verbs_bring_a_move_back(when: float, kind: ControlKind, value: str, end: State, blocked: bool, counts: bool) -> None:
    sim, api = moving()
    sim.after(when, lambda: sim.ask(kind, api, value))
    sim.drive()
    row = sim.row(api)
    assert (row.state, api in sim.journal.blocked, row.counts) == (end, blocked, counts)
    assert "ann" in row.reason
    assert row.actor == "ann"
    assert sim.journal.taken == {1}
    assert sim.journal.setting(api) == Setting()
    asked_at = next(e.at for e in sim.journal.entries if e.changes.get("state") == "falling_back")
    assert (asked_at - sim.journal.asked[1].at).total_seconds() <= 1.0


def test_an_abort_brings_all_back_but_what_is_warm() -> None:
    sim, api = moving(concurrency=Concurrency(total=1))
    web = sim.add("web")
    later = sim.add("later")
    sim.after(WARM_AT + 10, lambda: sim.ask(ControlKind.ABORT, "wave-1"))
    result = sim.drive()
    assert sim.states() == {api: State.FINISHED, web: State.ABORTED, later: State.SKIPPED}
    assert result.exit == Exit.PARTIAL


def test_a_pause_holds_weights_stops_the_clock_and_gates_watch_on() -> None:
    sim, api = moving()
    sim.after(SHIFTING_AT, lambda: sim.ask(ControlKind.PAUSE, "*"))
    sim.after(SHIFTING_AT + 300, lambda: sim.end(1))
    weights: set[int] = set()
    for second in range(10, 300, 10):
        sim.after(SHIFTING_AT + second, lambda: weights.add(sim.host.weights[api][V2]))
    assert sim.drive().exit == Exit.DONE
    assert weights == {10}
    assert sim.row(api).state is State.FINISHED

    sim, api = moving()
    sim.after(SHIFTING_AT, lambda: sim.ask(ControlKind.PAUSE, "*"))
    sim.after(SHIFTING_AT + 100, lambda: sim.host.faults.update({(api, V2): Fault(unhealthy_after_s=0)}))
    sim.drive()
    assert sim.row(api).state is State.FELL_BACK


def test_a_pause_before_the_beginning_begins_nothing_and_after_it_all_goes_on() -> None:
    sim, _ = moving()
    pause = sim.ask(ControlKind.PAUSE, "wave-1")
    sim.after(100, lambda: sim.end(pause))
    sim.drive()
    began = next(e.at for e in sim.journal.entries if e.changes.get("state") == "publishing")
    assert (began - sim.journal.entries[0].at).total_seconds() >= 100


def test_traffic_is_held_at_most_for_the_hold_limit() -> None:
    sim, api = moving(hold_limit_s=120)
    sim.after(SHIFTING_AT, lambda: sim.ask(ControlKind.PAUSE, "*"))
    sim.drive()
    row = sim.row(api)
    assert (row.state, row.counts, api in sim.journal.blocked) == (State.ABORTED, False, False)
    assert "held at 10 %" in row.reason


def test_a_freeze_takes_traffic_back_to_zero_and_later_it_goes_on() -> None:
    sim, api = moving()
    sim.after(BAKING_AT, lambda: sim.ask(ControlKind.FREEZE, "*"))
    seen: list[tuple[State, int]] = []
    sim.after(BAKING_AT + 60, lambda: seen.append((sim.row(api).state, sim.host.weights[api][V2])))
    sim.after(BAKING_AT + 200, lambda: sim.end(1))
    assert sim.drive().exit == Exit.DONE
    assert seen == [(State.PROVING, 0)]
    assert sim.state_walk(api).count("baking") == 2


def test_a_freeze_may_hold_the_weight_instead() -> None:
    sim, api = moving(overrun=Overrun.HOLD)
    sim.after(SHIFTING_AT, lambda: sim.ask(ControlKind.FREEZE, "*"))
    seen: list[int] = []
    sim.after(SHIFTING_AT + 60, lambda: seen.append(sim.host.weights[api][V2]))
    sim.after(SHIFTING_AT + 90, lambda: sim.end(1))
    sim.drive()
    assert seen == [10]
    assert sim.state_walk(api).count("proving") == 1


@pytest.mark.parametrize("kind", [ControlKind.PAUSE, ControlKind.FREEZE])
def test_a_gap_ends_whatever_is_asked(kind: ControlKind) -> None:
    sim = SimWorld()
    db = sim.add("db", Strategy.RECREATE)
    sim.after(1, lambda: sim.ask(kind, "*"))
    sim.after(60, lambda: sim.end(1))
    gaps: list[bool] = []
    sim.after(30, lambda: gaps.append(sim.host.weights[db][V2] == 100 and sim.host.healthy(db, V2)))
    sim.drive()
    assert gaps == [True]
    assert sim.row(db).state is State.FINISHED


def test_nothing_stops_the_way_back() -> None:
    sim, api = moving()
    sim.after(SHIFTING_AT, lambda: [sim.ask(ControlKind.PAUSE, "*"), sim.ask(ControlKind.FREEZE, "*")])
    sim.after(SHIFTING_AT + 2, lambda: sim.ask(ControlKind.REVERT, api))
    sim.drive()
    assert sim.row(api).state is State.FELL_BACK
    assert sim.seconds() < SHIFTING_AT + 30


def over_budget() -> tuple[SimWorld, list[str]]:
    tiers = (TierPolicy(tier=POLICY.tiers[0].tier, budget=Amount(count=0)),)
    sim = SimWorld(policy=replace(POLICY, tiers=tiers, concurrency=Concurrency(total=3)))
    names = [sim.add(name) for name in ("good", "slow", "bad", "waiting")]
    sim.host.faults[names[1], V2] = Fault(silent=True)
    sim.host.faults[names[2], V2] = Fault(unhealthy_after_s=25)
    return sim, names


def test_an_exceeded_budget_begins_nothing_new_and_holds_what_has_traffic() -> None:
    sim, (good, slow, bad, waiting) = over_budget()
    result = sim.drive()
    assert result.exit == Exit.STOPPED
    assert sim.states() == {good: State.ABORTED, slow: State.ABORTED, bad: State.FELL_BACK, waiting: State.PLANNED}
    assert result.waiting


def test_a_resumed_budget_goes_on() -> None:
    sim, (good, slow, bad, waiting) = over_budget()
    sim.host.faults.pop((slow, V2))
    sim.after(60, lambda: sim.ask(ControlKind.RESUME_BUDGET, "wave-1"))
    result = sim.drive()
    assert sim.states() == {good: State.FINISHED, slow: State.FINISHED, bad: State.FELL_BACK, waiting: State.FINISHED}
    assert result.exit == Exit.PARTIAL


def test_copies_without_traffic_are_undone_when_the_budget_is_exceeded() -> None:
    sim, (good, _slow, _bad, _waiting) = over_budget()
    sim.host.faults[good, V2] = Fault(publish_fails="no image")
    sim.host.faults[_slow, V2] = Fault()
    held: list[State] = []
    sim.host.gate_gone = lambda: sim.seconds() < 5
    sim.after(3, lambda: held.append(sim.row(_slow).state))
    sim.drive()
    assert sim.row(_slow).state is State.ABORTED
    assert "failure budget" in sim.row(_slow).reason


@pytest.mark.parametrize(
    ("rule", "end"),
    [(Inconclusive.HOLD, State.ABORTED), (Inconclusive.ACCEPT, State.FINISHED), (Inconclusive.PROBE, State.FINISHED)],
)
def test_inconclusive_means_what_the_tier_says(rule: Inconclusive, end: State) -> None:
    tiers = (replace(POLICY.tiers[0], inconclusive=rule),)
    sim, api = moving(tiers=tiers)
    sim.host.faults[api, V2] = Fault(silent=True)
    sim.drive()
    assert sim.row(api).state is end
    said = "by our own requests" if rule is Inconclusive.PROBE else "inconclusive"
    assert any(said in e.reason for e in sim.journal.entries if e.event)


def test_approve_stands_for_the_missing_verdict() -> None:
    sim, api = moving()
    sim.host.faults[api, V2] = Fault(silent=True)
    for when in (100, 200):
        sim.after(when, lambda: sim.ask(ControlKind.APPROVE, api))
    sim.drive()
    assert sim.row(api).state is State.FINISHED


@pytest.mark.parametrize("what", ["gone", "edge_gone", "gate_gone"])
def test_a_broken_instrument_pauses_and_never_brings_back(what: str) -> None:
    sim, api = moving()
    setattr(sim.host, what, lambda: 5 <= sim.seconds() < 205)
    waits: list[str] = []
    sim.after(150, lambda: waits.append(sim.row(api).waits_for))
    assert sim.drive().exit == Exit.DONE
    assert sim.row(api).state is State.FINISHED
    if what != "edge_gone":
        assert waits[0]
        assert sim.row(api).counts is False


def test_legacy_dies_while_shifting_it_waits_and_approve_goes_on() -> None:
    sim, api = moving()
    sim.after(SHIFTING_AT, lambda: sim.kill(api, LEGACY))
    waits: list[str] = []
    sim.after(60, lambda: waits.append(sim.row(api).waits_for))
    sim.after(100, lambda: sim.ask(ControlKind.APPROVE, api))
    sim.drive()
    assert "approve shop/api" in waits[0]
    assert sim.row(api).state is State.FINISHED


def test_both_die_a_person_is_called_and_when_legacy_is_healthy_it_falls_back() -> None:
    sim, api = moving()
    sim.after(SHIFTING_AT, lambda: [sim.kill(api, LEGACY), sim.kill(api, V2)])
    result = sim.drive(Until.WARM)
    assert (sim.row(api).state, result.exit) == (State.STUCK, Exit.STOPPED)
    assert sim.host.copies
    sim.host.revive(api, LEGACY)
    sim.clock.sleep(30)
    web = sim.add("web")
    sim.drive()
    assert sim.row(api).state is State.FELL_BACK
    assert sim.row(web).state is State.FINISHED


def test_stuck_keeps_a_healthy_v2_when_a_person_says_so() -> None:
    sim, api = moving()
    sim.add("slow")
    sim.host.faults["shop/slow", V2] = Fault(silent=True)
    sim.after(BAKING_AT, lambda: [sim.kill(api, LEGACY), sim.ask(ControlKind.REVERT, api)])
    sim.after(BAKING_AT + 20, lambda: sim.ask(ControlKind.APPROVE, api))
    sim.drive()
    assert "stuck" in sim.state_walk(api)
    assert sim.row(api).state is State.FINISHED


def test_in_warm_a_deploy_finishes_first_and_is_then_carried_out() -> None:
    sim, api = moving(keep_warm_s=3600)
    sim.after(WARM_AT, lambda: sim.ask(ControlKind.OWNER, api, "deploy"))
    result = sim.drive()
    assert sim.row(api).state is State.FINISHED
    assert sim.seconds() < 200
    assert result.queued == {api: "deploy"}


def test_fail_of_a_finished_service_is_refused_and_revert_is_queued() -> None:
    sim, api = moving()
    web = sim.add("web")
    sim.host.faults[web, V2] = Fault(silent=True)
    sim.after(140, lambda: [sim.ask(ControlKind.FAIL, api), sim.ask(ControlKind.REVERT, api)])
    result = sim.drive()
    assert sim.row(api).state is State.FINISHED
    assert any("cannot apply any more" in e.reason for e in sim.journal.entries)
    assert result.queued == {api: "revert"}


def test_a_back_move_that_fails_leaves_v2() -> None:
    sim, api = moving()
    sim.drive()
    sim.host.faults[api, LEGACY] = Fault(launch_fails="gone for good")
    result = sim.drive_back(api)
    assert result.exit == Exit.STOPPED
    assert [p.runtime for p in sim.journal.placements(api)] == [V2]
    assert sim.host.weights[api][V2] == 100
    assert api not in sim.journal.blocked
    assert sim.journal.setting(api) == Setting(runtime=V2, origin=Origin.ROLLOUT)


def test_a_back_move_goes_through_pause_and_freeze() -> None:
    sim, api = moving()
    sim.drive()
    sim.ask(ControlKind.PAUSE, "*")
    sim.ask(ControlKind.FREEZE, "*")
    assert sim.drive_back(api).exit == Exit.DONE


def test_limits_hold_in_all_and_per_customer() -> None:
    sim, _ = moving(concurrency=Concurrency(total=4, per_customer=2))
    for number in range(8):
        sim.add(f"s{number}", customer="big" if number < 6 else "small")
    most: list[tuple[int, int]] = []

    def count() -> None:
        flying = [r for r in sim.journal.rows.values() if r.live and r.state not in {State.PLANNED, State.WARM, State.FINISHING}]
        most.append((len(flying), sum(r.customer == "big" for r in flying)))

    for second in range(1, 400, 3):
        sim.after(second, count)
    assert sim.drive().exit == Exit.DONE
    assert max(m[0] for m in most) == 4
    assert max(m[1] for m in most) == 2


def test_a_limit_row_throttles_at_once() -> None:
    sim, _ = moving()
    for number in range(5):
        sim.add(f"s{number}")
    sim.ask(ControlKind.LIMIT, "wave-1", "total=1")
    most: list[int] = []
    for second in range(1, 600, 5):
        sim.after(
            second,
            lambda: most.append(sum(r.state in {State.PROVING, State.SHIFTING, State.BAKING} for r in sim.journal.rows.values())),
        )
    sim.drive()
    assert max(most) == 1


def test_stale_rows_are_skipped_with_their_reason_and_the_others_run() -> None:
    sim, api = moving()
    web, gone = sim.add("web"), sim.add("gone")
    del sim.journal.placed[gone, LEGACY]
    result = sim.drive(stale=lambda rows: {row.id: "its settings have changed" for row in rows if row.service == web})
    assert sim.states() == {api: State.FINISHED, web: State.SKIPPED, gone: State.SKIPPED}
    assert sim.row(web).reason == "its settings have changed"
    assert "legacy" in sim.row(gone).reason
    assert result.exit == Exit.PARTIAL


@pytest.mark.parametrize("when", [1.0, SHIFTING_AT, BAKING_AT, WARM_AT])
def test_the_first_ctrl_c_saves_and_the_same_command_resumes(when: float) -> None:
    sim, api = moving()
    sim.after(when, lambda: setattr(sim, "stop", True))
    assert sim.drive().exit == Exit.INTERRUPTED
    assert sim.row(api).live
    sim.stop = False
    assert sim.drive().exit == Exit.DONE


def test_a_newer_lease_on_one_service_ends_that_move_for_this_driver_alone() -> None:
    sim, api = moving()
    web = sim.add("web")
    sim.after(SHIFTING_AT, lambda: sim.leases.take(f"service:{api}", BEN))
    result = sim.drive(Until.WARM)
    assert "taken over by lease 2" in result.lost[api]
    assert sim.row(web).state is State.WARM
    assert sim.row(api).state is State.SHIFTING


def test_the_host_part_refuses_a_lower_fence_and_that_move_is_lost() -> None:
    sim, api = moving()
    web = sim.add("web")
    sim.after(SHIFTING_AT, lambda: sim.host.fences.update({api: 99}))
    result = sim.drive(Until.WARM)
    assert "lease 99" in result.lost[api]
    assert sim.row(web).state is State.WARM


def test_a_lost_lease_ends_the_driver() -> None:
    sim, api = moving()

    def overtake() -> None:
        sim.clock.sleep(20)
        sim.leases.take("wave-1", BEN)

    sim.after(SHIFTING_AT, overtake)
    with pytest.raises(FencedError):
        sim.drive()
    entries = len(sim.journal.entries)
    lease = sim.leases.held()[0]
    sim.leases.give_back(lease)
    sim.drive()
    assert len(sim.journal.entries) > entries
    assert sim.row(api).state is State.FINISHED


def test_time_without_a_driver_is_no_ones_fault() -> None:
    sim, api = moving()
    sim.after(SHIFTING_AT, lambda: setattr(sim, "stop", True))
    sim.drive()
    sim.stop = False
    sim.clock.sleep(300)
    sim.drive()
    assert sim.row(api).state is State.FINISHED
    assert any("nobody drove it" in e.reason for e in sim.journal.entries)


def test_what_outlives_the_drain_is_counted() -> None:
    sim, api = moving()
    sim.host.faults[api, LEGACY] = Fault(never_drains=True)
    sim.drive()
    assert [e.evidence for e in sim.journal.entries if e.step == "finish" and e.kind == "intent"] == [{"outlived": 1}]


def test_the_log_of_the_failed_copy_and_the_verdicts_are_kept_and_masked() -> None:
    sim, api = moving()
    sim.host.faults[api, V2] = Fault(launch_fails="boom hunter2")
    sim.drive()
    failure = next(e for e in sim.journal.entries if e.event == "failed")
    assert failure.evidence == {"log": ["boom ***"]}
    assert "hunter2" not in str(sim.journal.entries)
    sim, api = moving()
    sim.host.faults[api, V2] = Fault(unhealthy_after_s=8)
    sim.drive()
    failure = next(e for e in sim.journal.entries if e.event == "failed")
    assert failure.evidence["verdicts"][0]["outcome"] == "fail"
    assert failure.evidence["log"] == ["shop/api started on v2"]


def test_an_owner_who_asked_for_v2_gets_that_setting_back() -> None:
    sim, api = moving()
    sim.journal.settings[api] = Setting(runtime=V2, origin=Origin.OWNER)
    sim.after(WARM_AT, lambda: sim.ask(ControlKind.REVERT, api))
    during: list[Setting] = []
    sim.after(WARM_AT - 1, lambda: during.append(sim.journal.setting(api)))
    sim.drive()
    assert during == [Setting(runtime=V2, origin=Origin.ROLLOUT)]
    assert sim.journal.setting(api) == Setting(runtime=V2, origin=Origin.OWNER)


def test_two_waves_never_move_one_service_at_once() -> None:
    sim, api = moving()
    sim.after(SHIFTING_AT, lambda: setattr(sim, "stop", True))
    sim.drive()
    sim.stop, sim.number = False, 2
    assert sim.drive().of(State.SKIPPED) == 1
    assert "wave-1/shop/api" in sim.row(api, "wave-2").reason
    assert HOLDER.user == "ann"
