"""A scheduler with two places and more warm waves than that: the others are driven, and what is said is obeyed."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from rollout.schedule import loop as schedule
from rollout.wiring.schedule import loop
from rollout.wiring.status import Board
from tests.scenarios.driver import LIMIT_S, until
from tests.scenarios.transcript import HERE, run

WAVES = 4


@pytest.fixture
def scheduler(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """One that runs in threads of this process, over waves of one service each that stay warm for an hour."""
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr(schedule, "AT_ONCE", 2)
    for number in range(WAVES):
        run(f"rollout service add shop/s{number} --tier trial --customer c{number} --engine memory --command run")
    run("rollout service deploy --all")
    Path("one.toml").write_text((HERE / "fast.toml").read_text().replace("first = 2\nsize = 2", "first = 1\nsize = 1", 1))
    run("rollout policy use one.toml")
    run("rollout plan")
    stop = threading.Event()
    with loop(lambda _: None, stop, once=False) as looking:
        thread = threading.Thread(target=looking.run, args=(stop,))
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join(LIMIT_S)
            assert not thread.is_alive()


@pytest.mark.usefixtures("scheduler")
def test_more_warm_waves_than_places_keep_nothing_from_being_driven() -> None:
    for number in range(1, WAVES + 1):
        assert "left to the scheduler" in run(f"rollout execute wave-{number} --detach")
    until(lambda: [wave.moved for wave in Board().status().waves] == [1] * WAVES)
    until(lambda: Board().status().drivers == ())
    status = Board().status()
    assert [item.state.value for item in status.items] == ["warm"] * WAVES
    assert status.undriven == ()
    assert "is back on legacy and blocked" in run("rollout revert shop/s0 --reason slow")
