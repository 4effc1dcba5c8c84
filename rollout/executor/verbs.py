"""What a person's verb means for one move. Pure."""

from rollout.executor.actions import Fire
from rollout.executor.ports import Control
from rollout.executor.standing import event_of
from rollout.model.move import Move
from rollout.model.state import Event, cell


def changes_something(row: Move, verb: Control) -> bool:
    """Whether the verb makes a difference to the move as it is now; said twice it makes none the second time."""
    found = cell(row.path, row.state, event_of(verb))
    return bool(
        found.to
        or found.onward
        or (found.end and found.end is not row.end)
        or (found.blocks and not row.blocks)
        or (found.approves and not row.approved)
        or (found.queued and row.queued is None)
    )


def answer(row: Move, verb: Control) -> str:
    """What a person is told of a verb that changes nothing."""
    word = verb.value or str(event_of(verb))
    if cell(row.path, row.state, event_of(verb)).refused:
        return f"{word}: {row.service} is {row.state}, it cannot apply any more; rollout revert {row.service}"
    return f"{word}: {row.service} stays {row.state}"


def asked(row: Move, verb: Control) -> tuple[Fire, str]:
    """The event, and the act that is to be carried out when the move has ended (empty where there is none)."""
    event = event_of(verb)
    queued = (verb.value or str(event)) if cell(row.path, row.state, event).queued else ""
    return Fire(
        event=event, reason=f"{verb.value or event} by {verb.actor}" + (f": {verb.reason}" if verb.reason else "")
    ), queued


def needs_healthy_target(row: Move, verb: Control) -> bool:
    """Keeping v2 after both were in trouble is only possible while v2 is healthy."""
    return event_of(verb) is Event.APPROVE and cell(row.path, row.state, Event.APPROVE).to is not None
