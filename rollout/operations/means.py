"""What an operation that drives moves is handed: the store, a way to build a world, time, and who asks."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rollout.executor.locked import locked
from rollout.executor.ports import Clock, Journal, Leases, Standing
from rollout.executor.world import World, never
from rollout.model.lease import Holder, Lease
from rollout.model.policy import Policy
from rollout.operations.subject import is_scheduler
from rollout.store.controls import Controls
from rollout.store.database import Database
from rollout.store.progress import Progress
from rollout.store.waves import Waves

BuildWorld = Callable[[Policy], World]


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """`world` builds what a driver acts on, with a policy. `holder` names this process in a lease, doing something.

    `alive`: whether the process of a holder lives. `policy` is the one in force. `stop_requested`: first Ctrl-C.
    """

    database: Database
    waves: Waves
    progress: Progress
    controls: Controls
    journal: Journal
    standing: Standing
    leases: Leases
    clock: Clock
    user: str
    holder: Callable[[str], Holder]
    alive: Callable[[Holder], bool]
    policy: Policy
    world: BuildWorld
    stop_requested: Callable[[], bool] = never

    def live_lease(self, *subjects: str) -> Lease | None:
        """The lease of a live holder on one of the subjects, such as `wave-3` and `service:shop/api`."""
        held = (lease for lease in self.leases.held() if lease.subject in subjects)
        return next((lease for lease in held if self.alive(lease.holder)), None)

    def scheduler_lives(self) -> bool:
        """Whether somebody takes up within a second or two what nobody drives."""
        return any(is_scheduler(lease.subject) and self.alive(lease.holder) for lease in self.leases.held())

    def refuse_if_driven(self, subject: str) -> None:
        """LockedError with all that is known where a live process has the lease."""
        lease = self.live_lease(subject)
        if lease is not None:
            raise locked(lease)

    @contextmanager
    def lease(self, subject: str, doing: str) -> Iterator[Lease]:
        """The lease on the subject for as long as the block lasts; LockedError where a live process has it."""
        lease = self.leases.take(subject, self.holder(doing))
        try:
            yield lease
        finally:
            self.leases.give_back(lease)
