"""Switching the search for cycles off ends with the block, and leaves it off where it was."""

import gc

import pytest

from rollout.wiring.collection import uncollected


def test_it_is_on_again_afterwards_also_after_an_error() -> None:
    with pytest.raises(ValueError, match="x"), uncollected():
        assert not gc.isenabled()
        raise ValueError("x")
    assert gc.isenabled()


def test_where_it_was_off_it_stays_off() -> None:
    gc.disable()
    try:
        with uncollected():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
