"""What a person is told of a live holder."""

from rollout.errors import LockedError
from rollout.model.lease import Lease


def locked(lease: Lease) -> LockedError:
    """All that is known of who holds the lease, and the command that unlocks it once that process is gone."""
    holder, heartbeat = lease.holder, f"{lease.heartbeat.astimezone():%Y-%m-%d %H:%M:%S %Z}"
    return LockedError(
        f"{lease.subject} is held by {holder.user} on {holder.host}, process {holder.pid}: {holder.doing}",
        state=f"lease {lease.number}, last heartbeat {heartbeat}, nothing was changed",
        then=f"wait, or when that process is gone: rollout store unlock {lease.number}",
    )
