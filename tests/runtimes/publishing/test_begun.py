"""What was begun on an engine is noted until it is whole or made good, whoever was killed in between."""

import multiprocessing
import os
import signal
import threading
from pathlib import Path

import pytest

from rollout.errors import BrokenError
from rollout.model.fleet import EngineName
from rollout.runtimes.publishing.begun import Begun, Note

NOTE = Note(engine=EngineName.PODMAN, config="sha256:1", diff_ids=("sha256:2", "sha256:3"))
OTHER = Note(engine=EngineName.DOCKER, config="sha256:4", pulled="registry.example/web@sha256:5")


class Engine:
    """What was undone on it; `away`: it cannot be asked."""

    def __init__(self) -> None:
        self.undone: list[Note] = []
        self.away = False

    def undo(self, note: Note) -> None:
        if self.away:
            raise BrokenError("podman does not answer")
        self.undone.append(note)


@pytest.fixture
def engine() -> Engine:
    return Engine()


@pytest.fixture
def begun(tmp_path: Path, engine: Engine) -> Begun:
    return Begun(tmp_path / "begun", engine.undo)


def notes(begun: Begun) -> list[Path]:
    return list(begun.folder.iterdir()) if begun.folder.exists() else []


def broken(begun: Begun, note: Note) -> None:
    with pytest.raises(BrokenError, match="disk full"), begun.noted(note):
        raise BrokenError("disk full")


def test_a_copy_that_ends_well_is_noted_meanwhile_and_not_undone(begun: Begun, engine: Engine) -> None:
    with begun.noted(NOTE):
        (path,) = notes(begun)
        assert path.stat().st_mode & 0o777 == 0o600
        assert begun.folder.stat().st_mode & 0o777 == 0o700
    begun.make_good()
    assert (notes(begun), engine.undone) == ([], [])


def test_a_copy_that_fails_is_undone_at_once(begun: Begun, engine: Engine) -> None:
    broken(begun, NOTE)
    assert (notes(begun), engine.undone) == ([], [NOTE])


def test_what_cannot_be_undone_now_is_undone_by_the_next(begun: Begun, engine: Engine) -> None:
    engine.away = True
    broken(begun, NOTE)
    begun.make_good()
    assert len(notes(begun)) == 1
    engine.away = False
    with begun.noted(OTHER):
        pass
    assert (notes(begun), engine.undone) == ([], [NOTE])


def test_nothing_is_undone_while_another_copy_goes_on(begun: Begun, engine: Engine) -> None:
    with begun.noted(OTHER):
        broken(begun, NOTE)
        begun.make_good()
        assert engine.undone == []
    assert (notes(begun), engine.undone) == ([], [NOTE])


def test_a_copy_waits_while_something_is_undone(tmp_path: Path) -> None:
    undoing, go_on, began = threading.Event(), threading.Event(), threading.Event()

    def undo(_note: Note) -> None:
        undoing.set()
        assert go_on.wait(30)

    begun = Begun(tmp_path / "begun", undo)

    def copy() -> None:
        with begun.noted(OTHER):
            began.set()

    threads = [threading.Thread(target=broken, args=(begun, NOTE)), threading.Thread(target=copy)]
    threads[0].start()
    assert undoing.wait(30)
    threads[1].start()
    assert not began.wait(0.2)
    go_on.set()
    for thread in threads:
        thread.join()
    assert began.is_set()


def test_a_killed_copy_is_undone_by_the_next_process(begun: Begun, engine: Engine) -> None:
    def copy() -> None:
        with begun.noted(NOTE):
            os.kill(os.getpid(), signal.SIGKILL)

    child = multiprocessing.get_context("fork").Process(target=copy)
    child.start()
    child.join()
    assert len(notes(begun)) == 1
    Begun(begun.folder, engine.undo).make_good()
    assert (notes(begun), engine.undone) == ([], [NOTE])


def test_a_note_that_was_not_written_to_its_end_is_of_nothing(begun: Begun, engine: Engine) -> None:
    begun.folder.mkdir()
    (begun.folder / "1.json").write_text('{"engine": "pod')
    (begun.folder / "2.json").write_text("")
    begun.make_good()
    assert (notes(begun), engine.undone) == ([], [])


def test_nothing_begins_that_cannot_be_noted(begun: Begun, engine: Engine) -> None:
    begun.folder.write_text("no folder")
    with pytest.raises(BrokenError, match="cannot write"), begun.noted(NOTE):
        pytest.fail("it began")
    begun.folder.unlink()
    broken(begun, NOTE)
    assert engine.undone == [NOTE]
