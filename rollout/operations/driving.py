"""Holding a lease while something is done that does not renew it by itself."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from rollout.errors import RolloutError
from rollout.executor.ports import Leases
from rollout.model.lease import Holder, Lease


def subject(service: str) -> str:
    """The name of a service's lease."""
    return f"service:{service}"


@contextmanager
def driving(leases: Leases, service: str, holder: Holder) -> Iterator[Lease]:
    """The lease of the service, as `holding` has it."""
    with holding(leases, subject(service), holder) as lease:
        yield lease


@contextmanager
def holding(leases: Leases, subject: str, holder: Holder) -> Iterator[Lease]:
    """The lease, renewed until the block ends, then given back. LockedError while somebody else has it.

    When it is taken over meanwhile, renewing ends silently: the host part and the store refuse every later change.
    """
    lease = leases.take(subject, holder)
    ended = threading.Event()

    def renew() -> None:
        while not ended.wait(lease.beats_s):
            try:
                leases.renew(lease)
            except RolloutError as error:
                if not error.retry:
                    return

    heart = threading.Thread(target=renew, name=f"lease on {subject}", daemon=True)
    heart.start()
    try:
        yield lease
    finally:
        ended.set()
        heart.join()
        leases.give_back(lease)
