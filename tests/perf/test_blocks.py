"""Blocks: the same number of either side from the same time."""

from hypothesis import given
from hypothesis import strategies as st

from rollout.model.fleet import RuntimeName
from rollout.perf.blocks import Timed, after_warm_up, blocks, least, order_statistic, size

L, V = RuntimeName.LEGACY, RuntimeName.V2
requests = st.lists(st.tuples(st.sampled_from([L, V]), st.floats(0.1, 100)), max_size=200)


def timed(pairs: list[tuple[RuntimeName, float]], every_s: float = 0.1) -> list[Timed]:
    return [Timed(side, milliseconds, number * every_s) for number, (side, milliseconds) in enumerate(pairs)]


@given(requests, st.integers(1, 10))
def test_a_block_has_as_many_of_either_side_and_only_what_was_there(stream: list, each: int) -> None:
    found = blocks(timed(stream), each)
    assert all(len(block.legacy) == len(block.v2) == each for block in found)
    assert len(found) <= min(sum(side is L for side, _ in stream), sum(side is V for side, _ in stream)) // each
    taken = [value for block in found for value in block.v2]
    assert not set(taken) - {value for side, value in stream if side is V}


def test_blocks_hold_what_was_answered_at_the_same_time() -> None:
    calm = [(L, 1.0), (L, 1.1), (L, 1.2), (V, 1.3), (V, 1.4)]
    busy = [(V, 9.0), (L, 9.1), (V, 9.2), (L, 9.3), (L, 9.4)]
    first, second = blocks(timed(calm + busy), 2)
    assert max(first.legacy + first.v2) < 2
    assert min(second.legacy + second.v2) > 8


def test_what_is_not_whole_is_not_a_block() -> None:
    assert blocks(timed([(V, 1.0)] * 50 + [(L, 1.0)] * 4), 5) == []


def test_a_cold_start_is_left_out_on_both_sides() -> None:
    stream = timed([(V, 90.0), (L, 1.0), (V, 80.0), (L, 2.0), (V, 3.0), (L, 4.0)])
    assert list(after_warm_up(stream, 2)) == stream[3:]
    assert list(after_warm_up(stream, 0)) == stream


def test_a_busy_service_is_looked_at_for_as_long_as_a_quiet_one() -> None:
    busy = timed([(L, 1.0), (V, 1.0)] * 1000, every_s=0.001)
    assert len(blocks(busy, 10)) == 100
    assert len(blocks(busy, 10, seconds=0.5)) == 3
    slow_at_first = timed([(side, 9.0 if n < 20 else 1.0) for n in range(200) for side in (L, V)], every_s=0.01)
    (block,) = blocks(slow_at_first, 10, seconds=3.9)
    assert block.v2.count(9.0) <= 2


def test_rare_quantiles_take_more_requests() -> None:
    assert (size(0.5), size(0.9), size(0.95), size(0.99)) == (10, 50, 100, 500)
    assert least(0.5) == 100
    assert order_statistic([4.0, 1.0, 3.0, 2.0], 0.5) == 2.5
