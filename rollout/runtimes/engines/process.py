"""The `process` engine: plain processes, each kept by a shim. No root, no system package."""

import signal
from collections.abc import Sequence
from pathlib import Path

from rollout.host.keep import Keeper, Program
from rollout.host.ports import InstanceFacts, InstanceSpec
from rollout.model.limits import signal_number


class ProcessEngine:
    """Fulfils Engine with one folder per instance under `folder`."""

    def __init__(self, folder: Path) -> None:
        self.keeper = Keeper(folder)

    def prepare(self, spec: InstanceSpec) -> None:
        """Nothing: a process is made and started at once."""

    def start(self, spec: InstanceSpec) -> InstanceFacts:
        """It runs, or has ended by itself already. BrokenError when it cannot be run."""
        return self.keeper.start(
            Program(
                name=spec.id,
                argv=spec.argv,
                env=spec.env,
                directory=spec.directory,
                restart=spec.restart,
                restart_max=spec.restart_max,
                grace_s=spec.grace_s,
                stop_signal=signal_number(spec.stop_signal) or signal.SIGTERM,
            )
        )

    def stop(self, instance: str, grace_s: float) -> None:
        """No process of it lives."""
        self.keeper.stop(instance, grace_s)

    def facts(self, instance: str) -> InstanceFacts | None:
        """What is known."""
        return self.keeper.facts(instance)

    def pids(self, instance: str) -> Sequence[int]:
        """Its live processes, the leader first."""
        return self.keeper.pids(instance)

    def forget(self, instance: str) -> None:
        """Its files are gone."""
        self.keeper.forget(instance)

    def known(self) -> Sequence[str]:
        """All that have files."""
        return self.keeper.names()

    def tail(self, instance: str, lines: int) -> Sequence[str]:
        """The last lines of its log."""
        return self.keeper.tail(instance, lines)
