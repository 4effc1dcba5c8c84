"""The state of a wave follows from where its moves stand."""

from rollout.executor.result import WaveResult
from rollout.model.state import MOVED, State
from rollout.operations.means import Means
from rollout.store.waves import ENDED, RUNNING, STOPPED, StoredWave

FELL = frozenset({State.FELL_BACK, State.ABORTED, State.STUCK})
OVER = MOVED | {State.FELL_BACK, State.ABORTED, State.SKIPPED}


def settle(means: Means, wave: StoredWave, result: WaveResult) -> None:
    """After a driver of the whole wave: it stopped, goes on later, or has ended (every move is warm or final)."""
    if result.stopped:
        state = STOPPED
    else:
        state = RUNNING if result.interrupted or any(n for s, n in result.counts.items() if s not in OVER) else ENDED
    means.waves.settle(wave.facts.number, state, who=means.user, now=means.clock.now())


def done(means: Means, number: int, size: int) -> bool:
    """Whether every one of so many moves of the wave is warm or final."""
    counts = means.progress.counts(number)
    return sum(counts.values()) >= size and all(state in OVER for state, count in counts.items() if count)


def settle_if_over(means: Means, number: int) -> None:
    """After some of a wave's moves were driven: it has ended if no move of it is left. Not for waves of back moves."""
    if number < 0:
        return
    wave = means.waves.get(number)
    rows = means.progress.moves(number)
    if wave.facts.state == RUNNING and len(rows) >= wave.facts.size and all(row.state in OVER for row in rows):
        means.waves.settle(number, ENDED, who=means.user, now=means.clock.now())
