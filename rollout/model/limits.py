"""What people write of a copy's memory, share of processors and stop signal, as Docker's users know it, and its bounds."""

import math
import re
import signal

LEAST_MEMORY_MB, MOST_MEMORY_MB = 6, 1 << 24
"""Docker takes nothing less; nothing has more."""
LEAST_CPUS, MOST_CPUS = 0.01, 4096.0
MOST_PIDS = 1 << 22
_UNITS = {"k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
_SIZE = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,9})?)\s*(?:([kmgt])(?:i?b)?|b)?", re.IGNORECASE)
_REAL_TIME = re.compile(r"SIGRT(?:MIN\+([0-9]{1,2})|MAX-([0-9]{1,2}))")
_NAMED = {one.name: int(one) for one in signal.Signals}


def memory_mb(text: str) -> int:
    """`512m`, `1g`, `1.5 GB`, or a number of bytes, in MiB. ValueError says what is expected, or that it is too little."""
    found = _SIZE.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"{text!r} is no amount of memory such as 512m or 1g")
    unit = _UNITS[found[2].lower()] if found[2] else 1
    size = int(float(found[1]) * unit / _UNITS["m"])
    if size < LEAST_MEMORY_MB:
        meant = f"; did you mean {found[1]}m?" if not found[2] and float(found[1]) >= LEAST_MEMORY_MB else ""
        raise ValueError(f"{text!r} is less than {LEAST_MEMORY_MB}m, with which nothing starts{meant}")
    return size


def memory_text(size_mb: int) -> str:
    """MiB as people write them: `512m`, `2g`."""
    return f"{size_mb // 1024}g" if size_mb % 1024 == 0 else f"{size_mb}m"


def cpus(text: str) -> float:
    """`0.5`, `2`: how many processors. ValueError says what is expected."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"{text!r} is no number of processors such as 0.5 or 2")
    return number


def stop_signal(text: str) -> str:
    """`SIGINT`, `int` or `2` as `SIGINT`. ValueError where there is no such signal."""
    word = text.strip().upper()
    if word.isascii() and word.isdigit():
        word = next((name for name, number in _NAMED.items() if number == int(word)), word)
    name = word if word.startswith("SIG") else f"SIG{word}"
    if not is_signal(name):
        raise ValueError(f"{text!r} is no signal such as SIGTERM, SIGINT or SIGQUIT")
    return name


def is_signal(name: str) -> bool:
    """Whether a signal is called so, in full."""
    return name in _NAMED or bool(signal_number(name))


def signal_number(name: str) -> int:
    """Its number on this machine; 0 where it has none. Those for real time count from their ends: `SIGRTMIN+3`."""
    if found := _REAL_TIME.fullmatch(name):
        first, last = _NAMED.get("SIGRTMIN", 0), _NAMED.get("SIGRTMAX", 0)
        number = first + int(found[1]) if found[1] else last - int(found[2])
        return number if first <= number <= last else 0
    return _NAMED.get(name, 0)
