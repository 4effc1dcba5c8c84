"""Values that are frozen for the type checker are compared, hashed and replaced as frozen dataclasses are."""

from dataclasses import dataclass, replace

import pytest

from rollout.model.values import field, value


@value(frozen=True, slots=True, kw_only=True)
class Bus:
    line: int
    stops: tuple[str, ...] = ()
    seen: float = field(default=0.0, compare=False)


def test_equal_values_are_one_in_a_set() -> None:
    assert {Bus(line=1), Bus(line=1, seen=3.0), Bus(line=2)} == {Bus(line=1), Bus(line=2)}
    assert replace(Bus(line=1), line=2) == Bus(line=2)


def test_it_has_its_fields_and_no_others() -> None:
    with pytest.raises(AttributeError):
        Bus(line=1).colour = "red"
    with pytest.raises(TypeError):
        Bus(1)


def test_only_what_is_frozen_can_be_a_value() -> None:
    with pytest.raises(AssertionError):
        value(frozen=False, slots=True)(dataclass)
