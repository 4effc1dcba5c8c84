"""Amounts of memory and signals as people write them."""

import signal

import pytest

from rollout.model import limits


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("512m", 512),
        ("1g", 1024),
        ("1.5 GB", 1536),
        ("6MiB", 6),
        ("1t", 1 << 20),
        ("8192k", 8),
        ("3000000000", 2861),
        ("7340032b", 7),
    ],
)
def test_amounts_of_memory(text: str, size: int) -> None:
    assert limits.memory_mb(text) == size
    assert limits.memory_mb(limits.memory_text(size)) == size


@pytest.mark.parametrize("text", ["", "m", "12x", "1gg", "-1g", "1e9", "5m", "0", "²m", "1.g"])
def test_what_is_no_amount(text: str) -> None:
    with pytest.raises(ValueError, match=r"no amount|less than 6m"):
        limits.memory_mb(text)


@pytest.mark.parametrize(
    ("text", "name", "number"),
    [
        ("SIGINT", "SIGINT", 2),
        ("quit", "SIGQUIT", 3),
        (" 15 ", "SIGTERM", 15),
        ("rtmin+3", "SIGRTMIN+3", signal.SIGRTMIN + 3),
        ("SIGRTMAX-1", "SIGRTMAX-1", signal.SIGRTMAX - 1),
    ],
)
def test_signals(text: str, name: str, number: int) -> None:
    assert limits.stop_signal(text) == name
    assert limits.signal_number(name) == number


@pytest.mark.parametrize("text", ["", "SIG", "0", "-2", "999", "SIGRTMIN+99", "SIG_IGN", "²"])
def test_what_is_no_signal(text: str) -> None:
    with pytest.raises(ValueError, match="is no signal"):
        limits.stop_signal(text)
