"""Notes of what was led back without the store, read beside the host part. Taking them over (`led_back`) asks it."""

from collections.abc import Callable, Sequence

from rollout.host.known import Note
from rollout.host.notes import Notes
from rollout.wiring.home import Home

NOTES = "notes"
Say = Callable[[str], None]


def pending(home: Home) -> Sequence[Note]:
    """What was led back without the store and is not in the store yet; also while no host part runs."""
    path = home.path / "host" / NOTES
    return Notes(path).all() if path.is_file() else []


def take_over_notes(home: Home, *, start: bool = False, say: Say = lambda _: None) -> list[str]:
    """As in `led_back`, which is loaded where there is a note: there hardly ever is, and it takes all that a host part takes."""
    if not pending(home):
        return []
    from rollout.wiring import led_back  # noqa: PLC0415 (see above)

    return led_back.take_over_notes(home, start=start, say=say)
