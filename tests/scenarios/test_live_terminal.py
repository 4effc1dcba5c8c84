"""The live view in a real pseudo-terminal: a second process pauses the wave, and the view says who it was; then it is gone."""

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.scenarios.transcript import HERE, run
from tests.terminals import LEFT, Terminal


@pytest.fixture
def terminals(home: Path) -> Iterator[Callable[..., Terminal]]:
    opened: list[Terminal] = []

    def open_one(*words: str) -> Terminal:
        opened.append(Terminal(*words, columns=100))
        return opened[-1]

    yield open_one
    for terminal in opened:
        terminal.close()


@pytest.fixture
def planned(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run("rollout service add shop/api --tier trial --customer acme --engine memory --command run")
    run("rollout service deploy shop/api")
    run(f"rollout policy use {HERE / 'slow.toml'}")
    assert "next: rollout execute wave-1" in run("rollout plan")
    monkeypatch.setenv("LOGNAME", "anna")


@pytest.mark.usefixtures("planned")
def test_a_second_process_pauses_the_wave_and_the_view_says_who_it_was(terminals: Callable[..., Terminal]) -> None:
    driver = terminals("execute", "wave-1", "--yes")
    driver.shows("baking 100 %")
    watcher = terminals("status", "--watch")
    watcher.shows("full weight to be watched")
    pausing = terminals("pause", "wave-1", "--reason", "lunch")
    assert pausing.ends() == 0
    for view in (driver, watcher):
        view.shows("wave-1 paused by anna@")
        view.shows("unknown: paused")
        view.shows("paused by anna: lunch")
    assert terminals("resume", "wave-1").ends() == 0
    for view in (driver, watcher):
        view.shows("wave-1 resumed by anna@")
    driver.process.send_signal(signal.SIGINT)
    watcher.process.send_signal(signal.SIGINT)
    assert (driver.ends(), watcher.ends()) == (130, 130)
    assert driver.given_back, driver.told[-500:]
    assert watcher.given_back, watcher.told[-500:]
    assert "interrupted, everything is saved" in driver.told.rpartition(LEFT)[2]


@pytest.mark.usefixtures("planned")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_watch_that_is_told_to_end_leaves_the_terminal_clean(
    terminals: Callable[..., Terminal], number: signal.Signals
) -> None:
    watcher = terminals("status", "--watch")
    watcher.shows("wave-1")
    watcher.process.send_signal(number)
    assert watcher.ends() == 143
    assert watcher.given_back, watcher.told[-500:]
