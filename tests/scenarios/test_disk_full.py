"""The disk of the home is full in the middle of a wave: nothing is lost, the way back is open, and it goes on with room."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.scenarios.badness import dump, fill, rollout, small_disk
from tests.scenarios.test_without_store import Stage, goes_back, is_taken_over_and_the_others_go_on


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("NO_COLOR", "1")
    with small_disk(40) as place:
        home = place / ".rollout"
        home.mkdir(mode=0o700)
        monkeypatch.setenv("ROLLOUT_HOME", str(home))
        monkeypatch.chdir(place)
        yield place


@pytest.mark.timeout(400)
def test_in_the_middle_of_a_wave(disk: Path) -> None:
    stage = Stage(disk / ".rollout")
    filler = None
    try:
        filler = fill(disk)
        assert stage.driver.ends() == 1
        assert [line.split(":")[0] for line in stage.driver.err[-3:]] == ["error", "state", "next"]
        assert "is full" in stage.driver.err[-3]
        before = dump(stage.home.path)
        for words in (("service", "add", "new", "--tier", "trial", "--", "run"), ("pause",), ("resume", "wave-1")):
            rollout(*words).refused(1, "is full", "free some space")
        assert dump(stage.home.path) == before
        goes_back(stage)
        told = rollout("status")
        assert told.code == 0, told
        assert "shop/api was led back to legacy without the store by" in told.out
        filler.unlink()
        is_taken_over_and_the_others_go_on(stage)
    finally:
        if filler:
            filler.unlink(missing_ok=True)
        stage.close()
