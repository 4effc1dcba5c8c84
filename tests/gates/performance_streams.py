"""Requests as an edge would have seen them, for tests of comparisons."""

import numpy as np

from rollout.model.fleet import RuntimeName
from rollout.perf.blocks import Timed

L, V = RuntimeName.LEGACY, RuntimeName.V2


def stream(seed: int, n: int, *, slower: float = 0.0, sigma: float = 0.3, common: float = 0.3) -> list[Timed]:
    """`n` requests of about 20 ms, 100 a second; what burdens both sides comes and goes (`common`)."""
    chance = np.random.default_rng(seed)
    burden, found = 0.0, []
    for number in range(n):
        burden = 0.95 * burden + np.sqrt(1 - 0.95**2) * chance.normal() * common
        side = V if chance.random() < 0.5 else L
        milliseconds = 20 * np.exp(burden + sigma * chance.normal()) * (1 + slower if side is V else 1)
        found.append(Timed(side, float(milliseconds), number * 0.01))
    return found
