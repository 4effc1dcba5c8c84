"""The fence: of two drivers of a service, only the one with the higher lease number may change anything."""

from dataclasses import replace

from rollout.errors import FencedError
from rollout.host.known import Note
from rollout.host.ledger import Record


def admit(record: Record, fence: int, note: Note | None = None) -> Record:
    """The record with this number as the highest seen. Call it under the service's lock.

    FencedError for a lower number, and for every driver of a service that was led back without the store (`note`).
    """
    if note is not None:
        raise FencedError(
            f"{record.service}: led back to legacy without the store by {note.actor} at {note.at}",
            state="its traffic goes to legacy, this driver changed nothing",
            then="rollout up (the store takes the note over)",
        )
    if fence < record.fence:
        raise FencedError(
            f"{record.service}: taken over by lease {record.fence}, this is lease {fence}",
            state="this driver changed nothing",
            then="rollout status",
        )
    return record if fence == record.fence else replace(record, fence=fence)
