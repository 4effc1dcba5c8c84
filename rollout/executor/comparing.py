"""When both sides of a move serve at the same time, so that they can be compared. Pure."""

from rollout.model.move import Move
from rollout.model.state import State

NEVER_BOTH = "legacy and v2 never serve at the same time"


def compares(row: Move) -> bool:
    """The move stands in its last traffic step below 100 %, and its weight is that of the step."""
    if row.state is not State.SHIFTING or row.weight != row.steps[row.step]:
        return False
    return row.step == _last_shared(row)


def never_compares(row: Move) -> str:
    """Why no state of this move can be used for a comparison; empty where one can, and of a back move, which asks nothing."""
    return NEVER_BOTH if _last_shared(row) is None and not row.path.back else ""


def _last_shared(row: Move) -> int | None:
    """The last traffic step in which both sides have a share."""
    if row.path.gap or row.path.back:
        return None
    return next((step for step in reversed(range(len(row.steps))) if row.steps[step] < 100), None)
