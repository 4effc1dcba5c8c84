"""Holding the lease of one service while something is done to it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from rollout.errors import RolloutError
from rollout.executor.ports import HEARTBEAT_S, Leases
from rollout.model.lease import Holder, Lease


def subject(service: str) -> str:
    """The name of a service's lease."""
    return f"service:{service}"


@contextmanager
def driving(leases: Leases, service: str, holder: Holder) -> Iterator[Lease]:
    """The lease of the service, renewed until the block ends, then given back. LockedError while somebody else has it.

    When it is taken over meanwhile, renewing ends silently: the host part and the store refuse every later change.
    """
    lease = leases.take(subject(service), holder)
    ended = threading.Event()

    def renew() -> None:
        with suppress(RolloutError):
            while not ended.wait(HEARTBEAT_S):
                leases.renew(lease)

    heart = threading.Thread(target=renew, name=f"lease of {service}", daemon=True)
    heart.start()
    try:
        yield lease
    finally:
        ended.set()
        heart.join()
        leases.give_back(lease)
