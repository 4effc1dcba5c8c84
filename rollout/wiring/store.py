"""What `rollout store` does to a home's store."""

from rollout.model.lease import Lease
from rollout.wiring import actor
from rollout.wiring.home import find


def unlock(number: int, reason: str) -> Lease:
    """The lease is gone. LockedError for a live one, UsageError for an unknown one."""
    database = find().database()
    try:
        return actor.leases(database).unlock(number, who=actor.user(), why=reason)
    finally:
        database.close()
