"""How likely chance alone is."""

from math import exp, lgamma, log, log1p

NEGLIGIBLE = 1e-17


def at_least(successes: int, trials: int, probability: float) -> float:
    """P(X >= successes) for X binomial with `trials` and `probability`: the exact tail.

    Summed away from the mean, where terms fall off quickly: cheap for millions of trials too.
    """
    if successes <= 0:
        return 1.0
    if successes > trials or probability <= 0:
        return 0.0
    if probability >= 1:
        return 1.0
    odds = probability / (1 - probability)
    if successes > trials * probability:
        return _upward(successes, trials, odds) * _exactly(successes, trials, probability)
    below = successes - 1
    return 1.0 - _upward(trials - below, trials, 1 / odds) * _exactly(below, trials, probability)


def _exactly(successes: int, trials: int, probability: float) -> float:
    ways = lgamma(trials + 1) - lgamma(successes + 1) - lgamma(trials - successes + 1)
    return exp(ways + successes * log(probability) + (trials - successes) * log1p(-probability))


def _upward(successes: int, trials: int, odds: float) -> float:
    """Sum of P(X = k) for k from `successes` to `trials`, in units of the first."""
    term = total = 1.0
    for k in range(successes, trials):
        term *= (trials - k) / (k + 1) * odds
        total += term
        if term < total * NEGLIGIBLE:
            break
    return total
