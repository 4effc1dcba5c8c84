"""The health gate's rule, look by look, in virtual time."""

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from rollout.errors import HostGoneError
from rollout.executor.ports import Copy, Look
from rollout.gates.health import FORGET_AFTER_S, Health
from rollout.gates.probe import probe
from rollout.model.fleet import Kind, Release, RuntimeName, Service, Tier
from rollout.model.move import Move
from rollout.model.plan import Strategy
from rollout.model.policy import HealthGate
from rollout.model.state import State
from rollout.model.verdict import Outcome, Verdict
from rollout.network.ask import Answer, Question

START = datetime(2024, 6, 4, 9, tzinfo=UTC)
SPEC = Service(
    name="api", environment="shop", customer="acme", tier=Tier.TRIAL, command="serve", health_path="/up", health_timeout_s=10
)
COPY = Copy(service="shop/api", runtime=RuntimeName.V2, token="t", running=2, wanted=2, addresses=("a:1", "a:2"))
MOVE = Move(
    id="wave-1/shop/api",
    service="shop/api",
    wave=1,
    source=RuntimeName.LEGACY,
    target=RuntimeName.V2,
    strategy=Strategy.OVERLAP,
    state=State.PROVING,
    since=START,
)


class World:
    """A copy and what its replicas answer; both change as the test goes."""

    def __init__(self, rules: HealthGate) -> None:
        self.copy: Copy | None = COPY
        self.answers = {"a:1": Answer(True, "200"), "a:2": Answer(True, "200")}
        self.asked: list[tuple[str, Question]] = []
        self.now = START
        self.spec = SPEC
        self.gone = False
        self.gate = Health({RuntimeName.V2: self, RuntimeName.LEGACY: self}, rules, self.ask)  # type: ignore[dict-item]

    def inspect(self, service: str, token: str) -> Copy | None:
        if self.gone:
            raise HostGoneError("the host part does not answer")
        return self.copy

    def ask(self, address: str, question: Question) -> Answer:
        self.asked.append((address, question))
        return self.answers[address]

    def bad(self, said: str = "503") -> None:
        self.answers["a:2"] = Answer(False, said)

    def good(self) -> None:
        self.answers["a:2"] = Answer(True, "200")

    def look(self, state: State = State.PROVING, *, side: RuntimeName = RuntimeName.V2, after: float = 0.5) -> Verdict:
        release = Release(service="shop/api", number=1, created=START, created_by="ann", spec=self.spec)
        move = replace(MOVE, state=state)
        verdict = self.gate.look(
            Look(move=move, release=release, side=side, token="t", since=START, now=self.now, weight=0, final=False)
        )
        self.now += timedelta(seconds=after)
        return verdict


@pytest.fixture
def world() -> World:
    return World(HealthGate(passes=2, looks=3, over_s=1.0, every_s=0.5))


def test_it_passes_after_enough_good_looks_over_the_minimum_time(world: World) -> None:
    outcomes = [world.look().outcome for _ in range(4)]
    assert outcomes == [Outcome.INCONCLUSIVE, Outcome.INCONCLUSIVE, Outcome.PASS, Outcome.PASS]
    assert {address for address, _ in world.asked} == {"a:1", "a:2"}
    assert world.asked[0][1].host_name == "api.shop.internal"


def test_many_looks_at_once_are_one_look(world: World) -> None:
    for _ in range(20):
        assert world.look(after=0.0).outcome is Outcome.INCONCLUSIVE
    assert len(world.asked) == 2


def test_one_bad_look_of_three_is_within_the_rule(world: World) -> None:
    world.look(), world.look()
    world.bad()
    assert world.look().outcome is Outcome.PASS


def test_a_copy_that_becomes_healthy_late_passes(world: World) -> None:
    world.bad()
    for _ in range(6):
        verdict = world.look()
        assert verdict.outcome is Outcome.INCONCLUSIVE
    assert "of 10 s to become healthy" in verdict.reason
    world.good()
    assert [world.look().outcome for _ in range(2)] == [Outcome.INCONCLUSIVE, Outcome.PASS]


def test_one_that_does_not_become_healthy_in_time_fails_with_its_numbers(world: World) -> None:
    world.bad()
    for _ in range(20):
        assert world.look().outcome is Outcome.INCONCLUSIVE
    verdict = world.look()
    assert (verdict.outcome, verdict.gate) == (Outcome.FAIL, "health")
    assert verdict.reason == "0 of 3 looks good, 2 of 3 needed: a:2: 503"
    assert (verdict.evidence["good"], verdict.evidence["needed"], verdict.evidence["replicas"]) == (0, 2, "2 of 2")


@pytest.mark.parametrize("state", [State.SHIFTING, State.BAKING, State.WARM])
def test_once_it_has_traffic_too_many_bad_looks_fail_at_once(world: World, state: State) -> None:
    for _ in range(3):
        world.look(state)
    world.bad()
    assert [world.look(state).outcome for _ in range(2)] == [Outcome.PASS, Outcome.FAIL]


def test_a_failure_tells_how_long_it_took_from_the_first_bad_look(world: World) -> None:
    for _ in range(3):
        assert "bad_since" not in world.look(State.BAKING).evidence
    world.bad()
    first_bad = world.now
    verdicts = [world.look(State.BAKING) for _ in range(2)]
    assert verdicts[-1].evidence["bad_since"] == first_bad.isoformat()
    assert [verdict.evidence.get("seen_to_stop_s") for verdict in verdicts] == [None, 0.5]


@pytest.mark.parametrize(
    ("copy", "said"),
    [
        (replace(COPY, running=1, exit_code=7), "1 of 2 replicas run, exit code 7"),
        (None, "it does not run"),
    ],
)
def test_a_process_that_ended_fails_at_once(world: World, copy: Copy | None, said: str) -> None:
    world.copy = copy
    verdict = world.look()
    assert (verdict.outcome, verdict.reason) == (Outcome.FAIL, said)
    assert world.asked == []


def test_a_restart_fails_before_warm_and_on_v2_alone(world: World) -> None:
    world.copy = replace(COPY, restarts=1)
    assert world.look().outcome is Outcome.FAIL
    assert world.look(State.BAKING).outcome is Outcome.FAIL
    assert world.look(State.WARM).outcome is not Outcome.FAIL
    assert world.look(State.FALLING_BACK, side=RuntimeName.LEGACY).outcome is Outcome.PASS


def test_a_source_passes_at_its_first_good_look_and_fails_after_bad_ones(world: World) -> None:
    assert world.look(State.FALLING_BACK, side=RuntimeName.LEGACY).outcome is Outcome.PASS
    world.bad()
    outcomes = [world.look(State.FALLING_BACK, side=RuntimeName.LEGACY).outcome for _ in range(2)]
    assert outcomes == [Outcome.INCONCLUSIVE, Outcome.FAIL]


def test_a_host_part_that_is_gone_is_an_error_and_no_fail(world: World) -> None:
    world.gone = True
    verdict = world.look()
    assert (verdict.outcome, "does not answer" in verdict.reason) == (Outcome.ERROR, True)


def test_a_worker_passes_by_being_alive(world: World) -> None:
    world.spec = replace(SPEC, kind=Kind.WORKER)
    world.copy = replace(COPY, addresses=())
    assert [world.look().outcome for _ in range(3)][-1] is Outcome.PASS
    assert world.asked == []


def test_a_replica_that_cannot_be_reached_is_a_bad_look(world: World) -> None:
    world.copy = replace(COPY, addresses=("a:1",))
    assert "1 of 2 replicas can be reached" in world.look().reason


def test_without_a_health_path_a_connection_is_asked_for(world: World) -> None:
    world.spec = replace(SPEC, health_path=None)
    world.look()
    assert world.asked[0][1].path is None


def test_after_a_long_silence_the_series_starts_afresh(world: World) -> None:
    for _ in range(2):
        world.look()
    world.look(after=FORGET_AFTER_S + 1)
    assert world.look().outcome is Outcome.INCONCLUSIVE


def test_a_new_driver_starts_afresh(world: World) -> None:
    for _ in range(3):
        world.look()
    world.gate = Health({RuntimeName.V2: world}, HealthGate(passes=2, looks=3), world.ask)  # type: ignore[dict-item]
    assert world.look().outcome is Outcome.INCONCLUSIVE


def test_replicas_are_asked_at_once_and_told_in_their_order() -> None:
    both = threading.Barrier(2)

    def ask(address: str, question: Question) -> Answer:
        both.wait(20)
        return Answer(False, f"{address} is busy")

    found = probe(COPY, SPEC, HealthGate(), ask)
    assert (found.good, found.said) == (False, "a:1: a:1 is busy, a:2: a:2 is busy")


def refuse(world: World) -> None:
    world.answers["a:2"] = Answer(False, "refused", refused=True)


def test_a_copy_that_has_left_its_port_is_looked_at_again_where_it_is_led_to_then(world: World) -> None:
    def look_at_ports(service: str) -> None:
        assert service == "shop/api"
        world.copy = replace(COPY, addresses=("a:1", "a:3"))

    world.answers["a:3"] = Answer(True, "200")
    world.gate = gate_of(world, HealthGate(passes=1, looks=1, over_s=0.0, every_s=0.5), look_at_ports)
    assert world.look(State.BAKING).outcome is Outcome.PASS
    refuse(world)
    assert world.look(State.BAKING).outcome is Outcome.PASS
    assert sorted(address for address, _ in world.asked[-4:]) == ["a:1", "a:1", "a:2", "a:3"]


def gate_of(world: World, rules: HealthGate, look_at_ports: Callable[[str], object]) -> Health:
    return Health({RuntimeName.V2: world, RuntimeName.LEGACY: world}, rules, world.ask, look_at_ports)  # type: ignore[dict-item]


@pytest.mark.parametrize(
    ("state", "waits"),
    [(State.SHIFTING, Outcome.INCONCLUSIVE), (State.BAKING, Outcome.INCONCLUSIVE), (State.WARM, Outcome.ERROR)],
)
def test_a_refused_look_counts_after_the_second_in_which_v2_may_follow(state: State, waits: Outcome) -> None:
    world = World(HealthGate(passes=1, looks=1, over_s=0.0, every_s=0.5))
    world.look(state)
    refuse(world)
    assert [world.look(state).outcome for _ in range(3)] == [waits, waits, Outcome.FAIL]
    world.good()
    assert world.look(state).outcome is Outcome.PASS
    refuse(world)
    assert world.look(state).outcome is waits


def test_what_is_not_refused_alone_counts_at_once_and_so_does_legacy() -> None:
    world = World(HealthGate(passes=1, looks=1, over_s=0.0, every_s=0.5))
    refuse(world)
    world.answers["a:1"] = Answer(False, "503")
    assert world.look(State.BAKING).outcome is Outcome.FAIL
    world.answers["a:1"] = Answer(True, "200")
    assert world.look(State.FALLING_BACK, side=RuntimeName.LEGACY).outcome is Outcome.FAIL
