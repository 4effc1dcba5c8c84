"""What a shim's folder tells: its lock, and the state that it wrote.

The lock tells the truth: while it is held, the state is the shim's own word; free with a state that is not final means that the
shim died, and then nothing of the program is believed alive.
"""

import json
import time
from dataclasses import dataclass
from pathlib import Path

from rollout.host.lock import locked
from rollout.host.ports import Phase

FINAL = frozenset({Phase.EXITED, Phase.FAILED, Phase.GONE, Phase.LOST})


@dataclass(frozen=True, slots=True, kw_only=True)
class ShimState:
    """What is believed now. Process ids are 0 where there is none."""

    phase: Phase
    shim: int = 0
    guard: int = 0
    pid: int = 0
    restarts: int = 0
    exit_code: int | None = None

    @property
    def final(self) -> bool:
        """No shim looks after it any more."""
        return self.phase in FINAL


def read(place: Path) -> ShimState | None:
    """The truth about the folder; None where there is none. A folder without a state is of something that never ran."""
    state = _written(place)
    if state is None:
        return ShimState(phase=Phase.GONE) if place.is_dir() else None
    if state.final or locked(place):
        return state
    again = _written(place) or state
    return again if again.final else ShimState(phase=Phase.LOST, restarts=again.restarts, exit_code=again.exit_code)


def write_gone(place: Path, state: ShimState) -> None:
    """What ended by itself, or was lost, is now stopped for good."""
    said = {"phase": Phase.GONE.value, "restarts": state.restarts, "exit_code": state.exit_code, "since": time.time()}
    draft = place / "state.gone"
    draft.write_text(json.dumps(said), encoding="ascii")
    draft.replace(place / "state")


def _written(place: Path) -> ShimState | None:
    try:
        said = json.loads((place / "state").read_bytes())
    except (FileNotFoundError, ValueError):
        return None
    numbers = {key: int(said.get(key) or 0) for key in ("shim", "guard", "pid", "restarts")}
    return ShimState(phase=_phase(said["phase"]), exit_code=said["exit_code"], **numbers)


def _phase(word: str) -> Phase:
    """`ending`: the leader has ended by itself, what it left behind is being ended."""
    return Phase.STOPPING if word == "ending" else Phase(word)
