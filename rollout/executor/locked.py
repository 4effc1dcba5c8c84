"""What a person is told of a live holder."""

from rollout.errors import LockedError
from rollout.model.lease import Lease


def locked(lease: Lease) -> LockedError:
    """All that is known of who holds the lease, and the command that unlocks it once that process is gone."""
    holder = lease.holder
    return LockedError(
        f"{lease.subject} is held by {holder.user} on {holder.host}, process {holder.pid}: {holder.doing}",
        state=f"lease {lease.number}, last heartbeat {lease.heartbeat.isoformat(timespec='seconds')}, nothing was changed",
        then=f"wait, or when that process is gone: rollout store unlock {lease.number}",
    )
