"""The story from end to end on a stage of cardboard: what it tells, what it records, and that it always takes down."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from rollout.demo.events import Changed, Closed, Ended, Event, FellBack, Finalized, Kept, Opened, Planned, Repaired
from rollout.demo.services import Part, parts
from rollout.demo.stage import Told
from rollout.demo.story import Cast, Story
from rollout.edge.access_log import AccessLine
from rollout.errors import BrokenError
from rollout.model.fleet import RuntimeName, Service, Tier
from rollout.model.move import Entry, EntryKind, Move
from rollout.model.plan import Exclusion, Plan, PlannedMove, Precondition, Reason, Strategy, Wave
from rollout.model.policy import Policy
from rollout.model.state import State
from rollout.model.verdict import Outcome
from rollout.operations.numbers import Comparison

NOW = datetime(2024, 6, 4, tzinfo=UTC)
WHY = "does not come up, traffic: , performance: "


def planned(service: Service) -> PlannedMove:
    before = Precondition(settings_hash="", tier=service.tier, runtime=RuntimeName.LEGACY, pinned=False, release=1)
    return PlannedMove(
        service=service.id,
        customer=service.customer,
        environment=service.environment,
        kind=service.kind,
        strategy=Strategy.OVERLAP,
        expected_s=1,
        downtime_s=0,
        precondition=before,
        why="",
    )


@dataclass
class Cardboard:
    """A stage without a world: a service with a fault in its command falls back, others move."""

    fails_at: str = ""
    after: "dict[str, object]" = field(default_factory=dict)
    fleet: dict[str, Service] = field(default_factory=dict)
    where: dict[str, str] = field(default_factory=dict)
    blocked: set[str] = field(default_factory=set)
    pinned: set[str] = field(default_factory=set)
    called: list[str] = field(default_factory=list)
    waves: int = 0

    def _call(self, name: str) -> None:
        self.called.append(name)
        if callable(hook := self.after.get(name)):
            hook()
        if name == self.fails_at:
            raise BrokenError(f"{name} is broken")

    def open(self) -> str:
        self._call("open")
        return ""

    def deploy(self, services: Sequence[Service]) -> Mapping[str, int]:
        self._call("deploy")
        releases = {service.id: 2 if service.id in self.fleet else 1 for service in services}
        for service in services:
            self.fleet[service.id] = service
            self.where.setdefault(service.id, "legacy")
        return releases

    def plan(self) -> Plan:
        self._call("plan")
        waves = []
        for tier in Tier:
            here = [
                s
                for s in self.fleet.values()
                if s.tier is tier and self.where[s.id] == "legacy" and s.id not in self.blocked | self.pinned
            ]
            if here:
                self.waves += 1
                waves.append(Wave(number=self.waves, tier=tier, moves=tuple(planned(s) for s in here)))
        policy = Policy(name="demo", tiers=())
        return Plan(
            created=NOW,
            expires=NOW,
            fleet_revision=1,
            policy=policy,
            policy_hash="",
            tiers=tuple(Tier),
            waves=tuple(waves),
            excluded=tuple(Exclusion(service=s, tier=Tier.PRO, reason=Reason.PINNED, detail="a trade fair") for s in self.pinned),
        )

    def execute(self, wave: Wave, told: Told) -> None:
        self._call("execute")
        for each in wave.moves:
            move = Move(
                id=f"{wave.name}/{each.service}",
                service=each.service,
                wave=wave.number,
                source=RuntimeName.LEGACY,
                target=RuntimeName.V2,
                strategy=Strategy.OVERLAP,
                since=NOW,
            )
            fault = "--fault" in (self.fleet[each.service].command or ())
            path = [State.SHIFTING, State.FALLING_BACK, State.FELL_BACK] if fault else [State.SHIFTING, State.WARM]
            for state in path:
                log = [f"line {n}" for n in range(50)] if state is State.FALLING_BACK else []
                entry = Entry(move=move.id, kind=EntryKind.EVENT, at=NOW, actor="demo", evidence={"log": log})
                told(entry, replace(move, state=state, reason=WHY if fault else ""))
                told(entry, replace(move, state=state, reason=WHY if fault else "", seq=9))
            self.where[each.service] = "legacy" if fault else "v2"
            self.blocked |= {each.service} if fault else set()

    def finish(self, told: Told) -> None:
        self._call("finish")

    def retry(self, service: str) -> None:
        self._call("retry")
        self.blocked.remove(service)

    def pin(self, service: str, reason: str) -> str:
        self._call("pin")
        self.pinned.add(service)
        return f"{service} is pinned: {reason}"

    def unpin(self, service: str) -> str:
        self._call("unpin")
        self.pinned.remove(service)
        return f"{service} is pinned no more"

    def performance(self, services: Sequence[str]) -> Sequence[Comparison]:
        self._call("performance")
        verdicts = {service: Outcome.FAIL if service in self.blocked else Outcome.PASS for service in services}
        return [
            Comparison(service=service, legacy_p50_ms=1, v2_p50_ms=2, legacy_p99_ms=3, v2_p99_ms=4, verdict=verdict)
            for service, verdict in sorted(verdicts.items())
        ]

    def finalize(self) -> None:
        self._call("finalize")

    def on(self) -> Mapping[str, int]:
        values = list(self.where.values())
        return {name: values.count(name) for name in set(values)}

    def lines(self) -> Sequence[AccessLine]:
        return []

    def stop(self) -> None:
        self.called.append("stop")

    def close(self) -> tuple[Sequence[str], Sequence[Path]]:
        self._call("close")
        return [], []


@pytest.fixture
def fleet(tmp_path: Path) -> Sequence[Part]:
    return parts(tmp_path)


def told_on(stage: Cardboard, fleet: Sequence[Part]) -> Story:
    return Story(cast=Cast(stage=stage, parts=fleet, traffic=None, folder=Path("/nonexistent/rollout-demo")))


def play(stage: Cardboard, fleet: Sequence[Part]) -> tuple[Story, list[Event]]:
    story = told_on(stage, fleet)
    return story, list(story.events())


def of(told: Sequence[Event], kind: type) -> list[Event]:
    return [event for event in told if isinstance(event, kind)]


def test_the_whole_story_is_told_in_order(fleet: Sequence[Part]) -> None:
    story, told = play(Cardboard(), fleet)
    assert story.error == ""
    assert isinstance(told[0], Opened)
    assert isinstance(told[-1], Closed)
    assert len(of(told, Planned)) == 2
    assert {e.service for e in of(told, FellBack)} == {"shop/coupons", "shop/prices", "shop/search"}  # type: ignore[union-attr]
    assert {e.service for e in of(told, Repaired)} == {"shop/coupons", "shop/prices", "shop/search"}  # type: ignore[union-attr]
    assert len(of(told, Finalized)) == 1
    document = story.record.document(story.error)
    assert document["services"] == {"legacy": 0, "v2": 24}
    assert [(w.wave, w.moved, w.fell_back) for w in of(told, Ended)] == [  # type: ignore[union-attr]
        ("wave-1", 5, 1),
        ("wave-2", 6, 0),
        ("wave-3", 4, 2),
        ("wave-4", 5, 0),
        ("wave-5", 1, 0),
        ("wave-6", 3, 0),
    ]
    assert story.record.stayed == ["bank/cards"]
    slow = {line.service for line in story.record.performance if line.verdict is Outcome.FAIL}
    assert (len(story.record.performance), slow) == (24, {"shop/coupons", "shop/prices", "shop/search"})


def test_what_is_kept_is_neither_finalized_nor_taken_down(fleet: Sequence[Part]) -> None:
    stage = Cardboard()
    story = told_on(stage, fleet)
    story.cast = replace(story.cast, keep=True)
    told = list(story.events())
    assert (story.error, story.record.finalized, isinstance(told[-1], Kept)) == ("", False, True)
    assert not {"close", "finalize"} & set(stage.called)


def test_what_should_be_kept_is_taken_down_where_something_broke(fleet: Sequence[Part]) -> None:
    stage = Cardboard(fails_at="finish")
    story = told_on(stage, fleet)
    story.cast = replace(story.cast, keep=True)
    told = list(story.events())
    assert (stage.called[-1], isinstance(told[-1], Closed)) == ("close", True)


def test_a_change_is_told_once_and_a_fallback_with_its_last_lines(fleet: Sequence[Part]) -> None:
    _, told = play(Cardboard(), fleet)
    changes = [(e.service, e.state) for e in of(told, Changed)]  # type: ignore[union-attr]
    assert changes.count(("shop/coupons", State.FALLING_BACK)) == 1
    first = of(told, FellBack)[0]
    assert (first.reason, first.lines) == (WHY, ("line 47", "line 48", "line 49"))  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "name", ["open", "deploy", "pin", "plan", "execute", "unpin", "finish", "retry", "performance", "finalize", "close"]
)
def test_whatever_breaks_is_the_error_and_all_is_taken_down(fleet: Sequence[Part], name: str) -> None:
    stage = Cardboard(fails_at=name)
    story, told = play(stage, fleet)
    assert f"{name} is broken" in story.error
    assert "close" in stage.called
    assert isinstance(told[-1], Closed)
    assert story.record.document(story.error)["error"] == story.error


@pytest.mark.parametrize("name", ["open", "deploy", "plan", "execute", "finalize"])
def test_asked_to_end_it_goes_no_further_and_takes_down(fleet: Sequence[Part], name: str) -> None:
    stage = Cardboard()
    story = told_on(stage, fleet)
    stage.after[name] = story.interrupt
    told = list(story.events())
    assert story.error == "interrupted"
    called = [call for call in stage.called if call != "stop"]
    assert called[-2:] == [name, "close"]
    assert isinstance(told[-1], Closed)


def test_a_story_that_differs_from_what_was_told_is_an_error(fleet: Sequence[Part]) -> None:
    sound = [part if part.fault is None else replace(part, service=replace(part.service, command=("true",))) for part in fleet]
    story, _ = play(Cardboard(), sound)
    assert "should have fallen back" in story.error
