"""Real programs kept by real shims."""

import os
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from rollout.errors import BrokenError
from rollout.host import processes, shim_state
from rollout.host.keep import MARK, Keeper, Program
from rollout.host.lock import locked
from rollout.host.ports import Phase
from rollout.model.fleet import RestartPolicy

NEVER, ON_FAILURE, ALWAYS = RestartPolicy.NEVER, RestartPolicy.ON_FAILURE, RestartPolicy.ALWAYS


def until(condition: Callable[[], object], limit_s: float = 15) -> None:
    limit = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < limit, "it did not come true"
        time.sleep(0.01)


def live(keeper: Keeper, name: str) -> list[int]:
    return [p.pid for p in processes.marked(MARK, str(keeper.folder / name)) if processes.alive(p.pid)]


@pytest.fixture
def keeper(tmp_path: Path) -> Iterator[Keeper]:
    keeper = Keeper(tmp_path / "kept")
    yield keeper
    for name in keeper.names():
        keeper.stop(name, 0.1)
        assert live(keeper, name) == []
        assert not locked(keeper.folder / name)


def shell(text: str, **more: object) -> Program:
    program = {"name": "one", "restart": NEVER, "grace_s": 5.0, **more}
    return Program(argv=("/bin/sh", "-c", text), **program)  # type: ignore[arg-type]  # the fields of Program by name


def state(keeper: Keeper) -> shim_state.ShimState:
    found = shim_state.read(keeper.folder / "one")
    assert found is not None
    return found


def ended(keeper: Keeper) -> bool:
    return state(keeper).final


def test_a_program_runs_in_a_session_of_its_own_and_starts_once(keeper: Keeper) -> None:
    facts = keeper.start(shell("sleep 60"))
    assert facts.phase is Phase.RUNNING
    assert facts.pid is not None
    assert facts.started == psutil.Process(facts.pid).create_time()
    assert os.getpgid(facts.pid) == os.getsid(facts.pid) == facts.pid
    assert keeper.start(shell("sleep 60")) == facts
    assert keeper.pids("one")[0] == facts.pid


def test_many_starts_at_once_make_one(keeper: Keeper) -> None:
    found = []

    def start() -> None:
        found.append(Keeper(keeper.folder).start(shell("exec sleep 60")))

    racers = [threading.Thread(target=start) for _ in range(6)]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join()
    assert len(found) == 6
    assert len(live(keeper, "one")) == 1


def test_its_environment_is_what_was_given_and_stands_nowhere_else(keeper: Keeper, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OURS", "not yours")
    keeper.start(shell('echo "$SECRET-$OURS-$PATH"; sleep 60', env={"SECRET": "s3cr3t=line\nnext"}))
    until(lambda: len(keeper.tail("one", 5)) == 2)
    assert keeper.tail("one", 5) == ["s3cr3t=line", f"next--{os.environ['PATH']}"]
    found = state(keeper)
    command_lines = [part for pid in (found.shim, found.guard, found.pid) for part in psutil.Process(pid).cmdline()]
    assert not [part for part in command_lines if "s3cr3t" in part]
    assert "SECRET" not in psutil.Process(found.shim).environ()
    place = keeper.folder / "one"
    assert stat.S_IMODE(place.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in place.iterdir()} == {0o600}


def test_the_exit_code_is_kept(keeper: Keeper) -> None:
    keeper.start(shell("exit 7"))
    until(lambda: ended(keeper))
    facts = keeper.facts("one")
    assert facts
    assert (facts.phase, facts.exit_code, facts.pid, facts.restarts) == (Phase.EXITED, 7, None, 0)
    assert keeper.start(shell("sleep 60")).phase is Phase.EXITED


def test_a_signal_is_a_negative_exit_code(keeper: Keeper) -> None:
    facts = keeper.start(shell("exec sleep 60"))
    os.kill(facts.pid or 0, signal.SIGKILL)
    until(lambda: ended(keeper))
    assert state(keeper).exit_code == -9


def test_on_failure_tries_as_often_as_said_then_gives_up(keeper: Keeper) -> None:
    keeper.start(shell("echo again; exit 3", restart=ON_FAILURE, restart_max=2))
    until(lambda: ended(keeper))
    facts = keeper.facts("one")
    assert facts
    assert (facts.phase, facts.exit_code, facts.restarts) == (Phase.FAILED, 3, 2)
    assert keeper.tail("one", 9) == ["again"] * 3


def test_on_failure_leaves_a_good_end_alone(keeper: Keeper) -> None:
    keeper.start(shell("exit 0", restart=ON_FAILURE, restart_max=2))
    until(lambda: ended(keeper))
    assert (state(keeper).phase, state(keeper).restarts) == (Phase.EXITED, 0)


def test_always_starts_again_after_a_good_end_until_stopped(keeper: Keeper) -> None:
    keeper.start(shell("exit 0", restart=ALWAYS))
    until(lambda: state(keeper).restarts >= 3)
    keeper.stop("one", 5)
    assert state(keeper).phase is Phase.GONE


def test_a_program_that_does_not_exist_is_one_clear_error(keeper: Keeper) -> None:
    with pytest.raises(BrokenError, match=r"cannot run /no/such: No such file or directory"):
        keeper.start(Program(name="one", argv=("/no/such",)))
    with pytest.raises(BrokenError, match=r"cannot run /no/where: No such file or directory"):
        keeper.start(shell("true", directory="/no/where"))
    assert live(keeper, "one") == []
    assert keeper.start(shell("sleep 60")).phase is Phase.RUNNING


def test_stop_sends_term_to_the_group_and_kills_after_the_grace(keeper: Keeper) -> None:
    keeper.start(shell("trap 'echo bye; exit 4' TERM; (trap '' TERM; echo deaf; while :; do sleep 1; done) & echo up; wait"))
    until(lambda: sorted(keeper.tail("one", 5)) == ["deaf", "up"])
    assert len(live(keeper, "one")) >= 2
    keeper.stop("one", 0.3)
    assert live(keeper, "one") == []
    assert (state(keeper).phase, state(keeper).exit_code) == (Phase.GONE, 4)
    assert "bye" in keeper.tail("one", 5)
    keeper.stop("one", 0.3)


def test_its_own_stop_signal_ends_it(keeper: Keeper) -> None:
    """The one that it knows, and not TERM."""
    program = shell("trap 'echo bye; exit 3' QUIT; trap 'exit 4' TERM; echo ready; while :; do sleep 0.02; done")
    keeper.start(replace(program, stop_signal=signal.SIGQUIT))
    until(lambda: "ready" in keeper.tail("one", 1))
    keeper.stop("one", 10)
    assert (state(keeper).exit_code, list(keeper.tail("one", 1))) == (3, ["bye"])


def test_what_the_leader_leaves_behind_ends_with_it(keeper: Keeper) -> None:
    keeper.start(shell("sleep 60 & exit 5"))
    until(lambda: ended(keeper))
    assert live(keeper, "one") == []
    assert (state(keeper).phase, state(keeper).exit_code) == (Phase.EXITED, 5)


ESCAPE = "import os,sys,time\nif os.fork(): time.sleep(60)\nos.setsid()\nprint('away', flush=True)\ntime.sleep(60)"


def test_a_process_that_left_the_session_ends_too(keeper: Keeper) -> None:
    keeper.start(Program(name="one", argv=(sys.executable, "-S", "-c", ESCAPE), restart=NEVER))
    until(lambda: keeper.tail("one", 5) == ["away"])
    time.sleep(processes.FRESH_S)
    assert len(keeper.pids("one")) == 2
    keeper.stop("one", 5)
    assert live(keeper, "one") == []


def test_the_shim_killed_takes_its_group_with_it_and_is_known_as_lost(keeper: Keeper) -> None:
    keeper.start(shell("sleep 60 & sleep 60"))
    old = state(keeper)
    os.kill(old.shim, signal.SIGKILL)
    until(lambda: state(keeper).phase is Phase.LOST)
    assert live(keeper, "one") == []
    facts = keeper.start(shell("sleep 60"))
    assert (facts.phase, facts.pid != old.pid) == (Phase.RUNNING, True)


def test_shim_and_guard_killed_together_leave_no_second_copy(keeper: Keeper) -> None:
    keeper.start(shell("exec sleep 60"))
    old = state(keeper)
    os.kill(old.guard, signal.SIGSTOP)
    os.kill(old.shim, signal.SIGKILL)
    os.kill(old.guard, signal.SIGKILL)
    until(lambda: state(keeper).phase is Phase.LOST)
    assert live(keeper, "one") == [old.pid]
    facts = keeper.start(shell("exec sleep 61"))
    assert live(keeper, "one") == [facts.pid]
    assert facts.pid != old.pid


def test_a_guard_that_is_killed_is_replaced(keeper: Keeper) -> None:
    keeper.start(shell("exec sleep 60"))
    old = state(keeper)
    os.kill(old.guard, signal.SIGKILL)
    until(lambda: state(keeper).guard != old.guard)
    assert state(keeper).pid == old.pid
    os.kill(old.shim, signal.SIGKILL)
    until(lambda: state(keeper).phase is Phase.LOST)
    assert live(keeper, "one") == []


def test_a_stopped_shim_is_overcome(keeper: Keeper, monkeypatch: pytest.MonkeyPatch) -> None:
    keeper.start(shell("exec sleep 60"))
    os.kill(state(keeper).shim, signal.SIGSTOP)
    monkeypatch.setattr("rollout.host.keep.PATIENCE_S", 0.5)
    keeper.stop("one", 0.1)
    assert live(keeper, "one") == []
    assert state(keeper).phase is Phase.GONE


def test_term_to_the_shim_stops_in_good_order(keeper: Keeper) -> None:
    keeper.start(shell("trap 'echo bye; exit 0' TERM; echo up; sleep 60 & wait"))
    until(lambda: keeper.tail("one", 1) == ["up"])
    os.kill(state(keeper).shim, signal.SIGTERM)
    until(lambda: ended(keeper))
    assert keeper.tail("one", 1) == ["bye"]
    assert state(keeper).phase is Phase.GONE


def test_the_log_is_bounded_and_tail_reads_over_the_turn(keeper: Keeper) -> None:
    keeper.start(shell('i=0; while [ $i -lt 3000 ]; do echo "line $i"; i=$((i+1)); done', log_bytes=8000))
    until(lambda: ended(keeper))
    files = [path for path in (keeper.folder / "one").iterdir() if path.name.startswith("log")]
    assert len(files) == 2
    assert sum(path.stat().st_size for path in files) <= 2 * 8000 + (1 << 16)
    assert keeper.tail("one", 3) == ["line 2997", "line 2998", "line 2999"]
    assert keeper.tail("one", 0) == []


def test_programs_see_normal_signals(keeper: Keeper) -> None:
    keeper.start(shell("yes | head -1; grep -E 'Sig(Ign|Blk)' /proc/self/status"))
    until(lambda: ended(keeper))
    lines = keeper.tail("one", 3)
    assert lines[0] == "y"
    assert all(int(line.split()[1], 16) == 0 for line in lines[1:])


STARTER = """
import sys, time
from pathlib import Path
from rollout.host.keep import Keeper, Program
Keeper(Path(sys.argv[1])).start(Program(name="two", argv=("/bin/sleep", "60")))
print("started", flush=True)
time.sleep(60)
"""


def test_what_a_kept_program_has_others_keep_outlives_it(keeper: Keeper) -> None:
    root = str(Path(shim_state.__file__).parents[2])
    argv = (sys.executable, "-c", STARTER, str(keeper.folder))
    keeper.start(Program(name="one", argv=argv, env={"PYTHONPATH": root}, restart=ALWAYS))
    until(lambda: keeper.tail("one", 1) == ["started"])
    second = keeper.facts("two")
    os.kill(state(keeper).pid, signal.SIGKILL)
    until(lambda: state(keeper).restarts == 1 and state(keeper).pid)
    assert keeper.facts("two") == second
    keeper.stop("one", 1)
    assert keeper.facts("two") == second


def test_forget_wants_it_stopped(keeper: Keeper) -> None:
    keeper.start(shell("sleep 60"))
    with pytest.raises(BrokenError, match="still runs"):
        keeper.forget("one")
    keeper.stop("one", 1)
    keeper.forget("one")
    keeper.forget("one")
    assert keeper.facts("one") is None
    assert keeper.names() == []


def test_a_shim_needs_only_the_standard_library() -> None:
    code = "import sys; sys.path.append(sys.argv[1]); import rollout.host.shim.background; print(*sys.modules)"
    root = Path(shim_state.__file__).parents[2]
    found = subprocess.run([sys.executable, "-I", "-S", "-c", code, str(root)], capture_output=True, text=True, check=True)
    modules = set(found.stdout.split())
    ours = {name for name in modules if name.partition(".")[0] == "rollout"}
    assert all(name.startswith("rollout.host.shim") for name in ours - {"rollout", "rollout.host"})
    assert {name.partition(".")[0] for name in modules - ours} <= sys.stdlib_module_names | {"__main__"}
