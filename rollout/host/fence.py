"""The fence: of two drivers of a service, only the one with the higher lease number may change anything."""

from dataclasses import replace

from rollout.errors import FencedError
from rollout.host.ledger import Record


def admit(record: Record, fence: int) -> Record:
    """The record with this number as the highest seen; FencedError for a lower one. Call it under the service's lock."""
    if fence < record.fence:
        raise FencedError(
            f"{record.service}: taken over by lease {record.fence}, this is lease {fence}",
            state="this driver changed nothing",
            then="rollout status",
        )
    return record if fence == record.fence else replace(record, fence=fence)
