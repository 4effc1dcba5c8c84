"""What `up` and `down` tell, and when `down` may not happen. Pure."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from rollout.errors import LockedError
from rollout.model.lease import Holder, Lease


@dataclass(frozen=True, slots=True, kw_only=True)
class Up:
    """What `up` did. `began`: the host part was not running before; `replaced`: it was of another version.

    `started`: instances. `ended`: services of which copies ran that the store does not know. `silent`: services that were
    started and do not answer yet. `unknown`: services that run on although the store places them nowhere.
    """

    began: bool
    replaced: str
    started: Sequence[str]
    ended: Sequence[str] = ()
    unknown: Sequence[str] = ()
    silent: Sequence[str] = ()
    edge: str
    dns: str
    scheduler: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Down:
    """What `down` will end: services with the number of their instances, and processes of ours.

    `strays`: instances that run although the host part's records have lost them.
    """

    services: Sequence[tuple[str, int]]
    kept: Sequence[str]
    strays: int = 0

    @property
    def nothing(self) -> bool:
        """There is nothing to end."""
        return not self.services and not self.kept and not self.strays


def refuse_while_driven(leases: Iterable[Lease], now: datetime, alive: Callable[[Holder], bool], ours: Iterable[int]) -> None:
    """LockedError when somebody drives now. Not counted: leases of our own processes `ours`, which `down` ends too.

    A lease counts while it has not expired and the very process that holds it may live.
    """
    own = set(ours)
    for lease in leases:
        if lease.expires > now and lease.holder.pid not in own and alive(lease.holder):
            who = f"{lease.holder.user}@{lease.holder.host}, pid {lease.holder.pid}"
            raise LockedError(
                f"{lease.subject} is driven now by {who}: {lease.holder.doing}",
                state="nothing was stopped",
                then=f"wait for it, or: rollout pause {lease.subject}, then end that process",
            )
