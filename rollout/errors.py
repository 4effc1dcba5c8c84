"""Every error a user can meet.

An error says what happened, what state things are in now, and the next command (DESIGN: three parts), whose fault it is,
whether to try again, and the exit code of the command that it ends.
"""

from collections.abc import Collection, Mapping
from enum import IntEnum


class Exit(IntEnum):
    """Exit codes of the command line."""

    DONE = 0
    BROKEN = 1
    USAGE = 2
    PARTIAL = 3
    STOPPED = 4
    STALE = 5
    LOCKED = 6
    WAITING = 7
    CHANGES = 10
    INTERRUPTED = 130
    TERMINATED = 143


class RolloutError(Exception):
    """Base of all errors that are meant for a person.

    `what` happened, the `state` things are in now, and the `then`: the next command or action.
    """

    exit_code = Exit.BROKEN
    retry = False

    def __init__(self, what: str, *, state: str = "nothing was changed", then: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.state = state
        self.then = then


class BrokenError(RolloutError):
    """The tool or its environment failed: disk, permission, a missing program."""


class RoomsRefusedError(BrokenError):
    """The edge cannot listen in the rooms of these environments, and does in all others that it was told of."""

    def __init__(self, environments: Collection[str], *, then: str) -> None:
        named = ", ".join(sorted(environments))
        super().__init__(f"the edge does not listen in the room of {named}", state="all other rooms are served", then=then)
        self.environments = frozenset(environments)


class TransientError(RolloutError):
    """The environment failed in a way that may pass: the same call may succeed later."""

    retry = True


class UsageError(RolloutError):
    """The person asked for something that does not exist or does not fit."""

    exit_code = Exit.USAGE


class PartialError(RolloutError):
    """Done, but some items failed or were left out."""

    exit_code = Exit.PARTIAL


class StoppedError(RolloutError):
    """A wave stopped: budget exceeded, a gate failed, or a move is stuck."""

    exit_code = Exit.STOPPED


class StaleError(RolloutError):
    """The plan is stale, superseded, expired or used up, or the verb cannot apply any more."""

    exit_code = Exit.STALE


class ChangedError(StaleError):
    """What a person was shown is not so any more: it is to be shown again."""


class LockedError(RolloutError):
    """Somebody else holds the lease."""

    exit_code = Exit.LOCKED


class FencedError(LockedError):
    """A newer lease has taken this service over: this driver must leave it alone."""


class TakenError(FencedError):
    """Other drivers have taken these services over; nothing of the batch was written. `services`: id to who has it."""

    def __init__(self, services: Mapping[str, str]) -> None:
        named = ", ".join(f"{service}: {by}" for service, by in services.items())
        super().__init__(named, state="nothing was changed; the services go on with their new driver", then="rollout status")
        self.services = services


class CrowdedError(TransientError):
    """Other waves have begun moves since room was looked for; nothing of the batch was written."""


class ClashError(StaleError):
    """These services have another live move; nothing of the batch was written. `services`: id to that move's id."""

    def __init__(self, services: Mapping[str, str]) -> None:
        named = ", ".join(f"{service} is moving in {move}" for service, move in services.items())
        super().__init__(named, then="rollout status")
        self.services = services


class WaitingError(RolloutError):
    """It may not happen now: approval, window, freeze, pause, an earlier tier."""

    exit_code = Exit.WAITING


class StoppedByPersonError(RolloutError):
    """Ctrl-C, or a request to end (then with the exit code of that)."""

    exit_code = Exit.INTERRUPTED


class HostGoneError(TransientError):
    """The host part does not answer."""


class ImageRefusedError(UsageError):
    """An image is damaged, hostile, or not for this machine. `reason`: which case; `image` and `digest` say of what."""

    def __init__(self, what: str, *, reason: str, image: str, digest: str, then: str) -> None:
        super().__init__(what, state="nothing was published", then=then)
        self.reason = reason
        self.image = image
        self.digest = digest
