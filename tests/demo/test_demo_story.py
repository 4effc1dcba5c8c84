"""The story from end to end on a stage of cardboard: what it tells, what it records, and that it always takes down."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from rollout.demo.cast import Cast
from rollout.demo.events import (
    Asked,
    Changed,
    Closed,
    Closing,
    Doing,
    Ended,
    Event,
    FellBack,
    Finalized,
    Kept,
    Opened,
    Planned,
    Repaired,
)
from rollout.demo.services import Part, parts
from rollout.demo.story import Story
from rollout.model.state import State
from rollout.model.verdict import Outcome
from tests.demo.cardboard import WHY, Cardboard


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
    assert [type(event) for event in told[:3]] == [Doing, Opened, Doing]
    assert [type(event) for event in told[-2:]] == [Closing, Closed]
    assert of(told, Asked) == []
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
    assert len(of(told, Asked)) == 1
    called = [call for call in stage.called if call != "stop"]
    assert called[-2:] == [name, "close"]
    assert isinstance(told[-1], Closed)


def test_a_story_that_differs_from_what_was_told_is_an_error(fleet: Sequence[Part]) -> None:
    sound = [part if part.fault is None else replace(part, service=replace(part.service, command=("true",))) for part in fleet]
    story, _ = play(Cardboard(), sound)
    assert "should have fallen back" in story.error
