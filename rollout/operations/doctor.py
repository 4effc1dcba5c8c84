"""What was found of a machine and a home, one finding for each thing that the main job or a later part needs."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Standing(StrEnum):
    """`missing`: the main job works without it. `bad`: it does not."""

    GOOD = "good"
    MISSING = "missing"
    BAD = "bad"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at. `then`: what would add or repair it; empty where nothing is to be done."""

    name: str
    standing: Standing
    told: str
    then: str = ""


def good(name: str, told: str) -> Finding:
    """It is there and works."""
    return Finding(name=name, standing=Standing.GOOD, told=told)


def missing(name: str, told: str, then: str = "") -> Finding:
    """It is not there; the main job works without it."""
    return Finding(name=name, standing=Standing.MISSING, told=told, then=then)


def bad(name: str, told: str, then: str) -> Finding:
    """Without it the main job does not work."""
    return Finding(name=name, standing=Standing.BAD, told=told, then=then)


def broken(findings: Iterable[Finding]) -> list[Finding]:
    """What keeps the main job from working; empty: it works."""
    return [finding for finding in findings if finding.standing is Standing.BAD]
