"""What a verb is said about: everything, one wave, or one service; and what a lease is on, which may be a scheduler too."""

import re

from rollout.errors import UsageError

FLEET = "*"
SCHEDULER = "scheduler"
_WAVE = re.compile(r"(wave|back)-([1-9][0-9]{0,8})")
_NUMBER = re.compile(r"[^0-9]*([1-9][0-9]{0,8})[^0-9]*")


def is_wave(text: str) -> bool:
    """Whether the text is the name of a wave. A service cannot be meant: ask for it as ENVIRONMENT/NAME."""
    return _WAVE.fullmatch(text) is not None


def wave_number(text: str) -> int:
    """3 of `wave-3`; -17 of `back-17`, a wave of back moves. UsageError for anything else."""
    found = _WAVE.fullmatch(text)
    if found is None:
        told = text or "an empty text"
        number = _NUMBER.fullmatch(text)
        meant = f"; did you mean wave-{number[1]}?" if number else ""
        raise UsageError(f"{told} is not the name of a wave{meant}", then="name it like wave-3; rollout status lists them")
    return int(found[2]) if found[1] == "wave" else -int(found[2])


def wave_name(number: int) -> str:
    """`wave-3`; `back-17` for a wave of back moves."""
    return f"wave-{number}" if number > 0 else f"back-{-number}"


def is_scheduler(subject: str) -> bool:
    """Whether a lease on this is that of a scheduler: the one of the home, or one beside it."""
    return subject.partition(":")[0] == SCHEDULER
