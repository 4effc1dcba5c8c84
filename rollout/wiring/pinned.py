"""A service whose owner has just chosen legacy, in the middle of its move."""

from rollout.errors import LockedError
from rollout.model.fleet import RuntimeName
from rollout.operations.pin import bring_back_pinned
from rollout.operations.saying import Say
from rollout.store import moving, placements
from rollout.store.services import Services
from rollout.wiring.workshop import Voice
from rollout.wiring.world import means


def see_to_choice(services: Services, service: str, runtime: RuntimeName | None, *, reason: str, say: Say) -> None:
    """Where legacy was just chosen: the move that the service is in the middle of is brought back, not blocked.

    Nothing is done where it does not move: writing the setting launches nothing. What a person should know is said.
    """
    if runtime is not RuntimeName.LEGACY:
        return
    with services.database.reading() as session:
        move = moving.of(session, service)
        on_v2 = any(one.runtime is RuntimeName.V2 for one in placements.of(session, service))
    if move is None:
        if on_v2:
            say(f"it runs on v2 as before; back to legacy: rollout pin {service}")
        return
    with means(voice=Voice(say=say)) as tools:
        row = bring_back_pinned(tools, [service], reason).get(service)
    if isinstance(row, LockedError):
        say(f"{service} is on v2 still, {row.what}; then: rollout pin {service}")
    elif row is not None and row.live:
        say(f"{service} is {row.state} in {move.partition('/')[0]}: it comes back when that has ended; rollout status")
    elif row is not None:
        say(f"{service} runs on legacy: its move in {move.partition('/')[0]} is {row.state}")
