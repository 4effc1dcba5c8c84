"""What every engine must keep: subclass, and give the fixtures `engine`, `lasting` and `ending`."""

import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from rollout.errors import BrokenError
from rollout.host.ports import Engine, InstanceSpec, Phase
from rollout.model.fleet import RestartPolicy, RuntimeName

LIMIT_S = 20.0


def until(condition: Callable[[], object]) -> None:
    """Return when it is true; fail when it does not become true in 20 s."""
    limit = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < limit, "it did not come true in time"
        time.sleep(0.01)


def spec_of(argv: tuple[str, ...] = ("true",), *, token: str = "wave-1.shop.api.1", replica: int = 0) -> InstanceSpec:
    """An instance of a service that never restarts."""
    return InstanceSpec(
        token=token,
        replica=replica,
        service="shop/api",
        host_name="api.shop.internal",
        runtime=RuntimeName.LEGACY,
        release=1,
        argv=argv,
        port=18080,
        restart=RestartPolicy.NEVER,
        grace_s=2.0,
    )


class EngineContract:
    """`engine` is empty; `lasting` runs until it is stopped; `ending` writes the line `over` and ends with code 7."""

    @pytest.fixture
    def engine(self) -> Engine:
        """The engine under test; the fixture ends all that it runs."""
        raise AssertionError("give the fixture engine")

    @pytest.fixture
    def lasting(self) -> InstanceSpec:
        """Runs until stopped."""
        raise AssertionError("give the fixture lasting")

    @pytest.fixture
    def ending(self) -> InstanceSpec:
        """Writes `over`, ends with 7."""
        raise AssertionError("give the fixture ending")

    def test_an_unknown_instance(self, engine: Engine) -> None:
        """Nothing is known of it, and to stop or forget it is no error."""
        assert engine.facts("no.0") is None
        assert list(engine.pids("no.0")) == []
        assert list(engine.tail("no.0", 5)) == []
        engine.stop("no.0", 1.0)
        engine.forget("no.0")

    def test_start_once(self, engine: Engine, lasting: InstanceSpec) -> None:
        """A second start changes nothing."""
        facts = engine.start(lasting)
        assert (facts.id, facts.phase, facts.exit_code) == (lasting.id, Phase.RUNNING, None)
        assert facts.pid is not None
        assert facts.started is not None
        assert engine.start(lasting) == facts
        assert engine.facts(lasting.id) == facts
        assert engine.pids(lasting.id)[0] == facts.pid

    def test_what_is_prepared_does_not_run(self, engine: Engine, lasting: InstanceSpec) -> None:
        """It is started all the same, also when it was prepared twice; preparing what runs changes nothing."""
        engine.prepare(lasting)
        engine.prepare(lasting)
        facts = engine.facts(lasting.id)
        assert facts is None or (facts.phase, facts.pid) == (Phase.GONE, None)
        facts = engine.start(lasting)
        assert facts.phase is Phase.RUNNING
        engine.prepare(lasting)
        assert engine.facts(lasting.id) == facts

    def test_what_is_prepared_and_never_started_is_forgotten(self, engine: Engine, lasting: InstanceSpec) -> None:
        """Whether it was stopped or not; and another one of the same name may run after it."""
        for stopped in (False, True):
            engine.prepare(lasting)
            if stopped:
                engine.stop(lasting.id, 1.0)
            engine.forget(lasting.id)
            assert engine.facts(lasting.id) is None
            assert list(engine.known()) == []
        engine.prepare(lasting)
        other = replace(lasting, env={"OTHER": "1"})
        assert engine.start(other).phase is Phase.RUNNING

    def test_replicas_are_apart(self, engine: Engine, lasting: InstanceSpec) -> None:
        """Stopping one leaves the other alone."""
        other = replace(lasting, replica=lasting.replica + 1)
        first, second = engine.start(lasting), engine.start(other)
        assert first.pid != second.pid
        engine.stop(lasting.id, 1.0)
        assert engine.facts(other.id) == second

    def test_stop(self, engine: Engine, lasting: InstanceSpec) -> None:
        """Nothing of it runs; its last words and its end stay known until it is forgotten."""
        engine.start(lasting)
        engine.stop(lasting.id, 1.0)
        engine.stop(lasting.id, 1.0)
        facts = engine.facts(lasting.id)
        assert facts is not None
        assert (facts.phase, facts.pid) == (Phase.GONE, None)
        assert facts.exit_code is not None
        assert list(engine.pids(lasting.id)) == []

    def test_a_stopped_one_starts_again(self, engine: Engine, lasting: InstanceSpec) -> None:
        """As a new process."""
        first = engine.start(lasting)
        engine.stop(lasting.id, 1.0)
        again = engine.start(lasting)
        assert again.phase is Phase.RUNNING
        assert (again.pid, again.started) != (first.pid, first.started)

    def test_its_own_end_is_kept_truthfully(self, engine: Engine, ending: InstanceSpec) -> None:
        """Code and last lines; a further start does not hide it."""
        engine.start(ending)
        until(lambda: (facts := engine.facts(ending.id)) and facts.phase is Phase.EXITED)
        facts = engine.start(ending)
        assert (facts.phase, facts.exit_code, facts.pid) == (Phase.EXITED, 7, None)
        assert list(engine.tail(ending.id, 5)) == ["over"]

    def test_giving_up_is_failed(self, engine: Engine, ending: InstanceSpec) -> None:
        """Tried as often as its policy says."""
        stubborn = replace(ending, restart=RestartPolicy.ON_FAILURE, restart_max=2)
        engine.start(stubborn)
        until(lambda: (facts := engine.facts(ending.id)) and facts.phase is Phase.FAILED)
        facts = engine.facts(ending.id)
        assert facts is not None
        assert (facts.restarts, facts.exit_code) == (2, 7)

    def test_forget(self, engine: Engine, lasting: InstanceSpec) -> None:
        """Only a stopped one; then nothing of it is known."""
        engine.start(lasting)
        with pytest.raises(BrokenError):
            engine.forget(lasting.id)
        engine.stop(lasting.id, 1.0)
        engine.forget(lasting.id)
        engine.forget(lasting.id)
        assert engine.facts(lasting.id) is None
        assert list(engine.tail(lasting.id, 5)) == []
