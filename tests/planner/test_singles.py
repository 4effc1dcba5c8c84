"""Services cut one by one: every place in a wave goes to the customer with most services left that may have one more."""

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from rollout.planner.singles import Singles
from tests.planner.fleets import candidate

CUSTOMERS = st.dictionaries(st.sampled_from("abcdefgh"), st.integers(1, 12), min_size=1)


def looked_for(left: Counter[str], size: int, limit: int | None) -> list[str]:
    """A wave by looking through all customers for every place in it."""
    taken: Counter[str] = Counter()
    while taken.total() < size and (may := [c for c in left if left[c] and (limit is None or taken[c] < limit)]):
        chosen = min(may, key=lambda customer: (-left[customer], customer))
        taken[chosen] += 1
        left[chosen] -= 1
    return sorted(taken.elements())


@settings(max_examples=200, deadline=None)
@given(CUSTOMERS, st.integers(1, 20), st.one_of(st.none(), st.integers(1, 5)))
def test_a_wave_takes_from_whoever_has_most_left(counts: dict[str, int], size: int, limit: int | None) -> None:
    fleet = [candidate(f"{c}{n:02}", customer=c) for c, total in counts.items() for n in range(total)]
    line, left, seen = Singles(reversed(fleet), limit), Counter(counts), []
    while line.waits():
        wave = line.wave(size)
        assert [c.customer for c in wave] == looked_for(left, size, limit)
        assert wave == sorted(wave, key=lambda c: (c.customer, c.id))
        seen += wave
    assert left.total() == 0
    assert sorted(seen) == sorted(fleet)


def test_nobody_waits_where_there_is_nobody() -> None:
    line = Singles([], 3)
    assert not line.waits()
    assert line.wave(5) == []
