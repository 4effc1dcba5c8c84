"""Notes of what was led back without the store, read beside the host part. Taking them over (`led_back`) asks it."""

from collections.abc import Sequence

from rollout.host.known import Note
from rollout.host.notes import Notes
from rollout.operations.saying import Say, quiet
from rollout.wiring.home import Home

NOTES = "notes"


def pending(home: Home) -> Sequence[Note]:
    """What was led back without the store and is not in the store yet; also while no host part runs."""
    path = home.path / "host" / NOTES
    return Notes(path).all() if path.is_file() else []


def take_over_notes(home: Home, *, start: bool = False, say: Say = quiet) -> list[str]:
    """As `led_back.take_over`, loaded only where there is a note: hardly ever, and it takes all that a host part takes."""
    notes = pending(home)
    if not notes:
        return []
    from rollout.wiring import led_back  # noqa: PLC0415 (see above)

    return led_back.take_over(home, notes, start=start, say=say)
