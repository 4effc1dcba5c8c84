"""Who plays in the demo."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rollout.demo.services import Part
from rollout.demo.stage import Stage
from rollout.demo.traffic import Traffic


@dataclass(frozen=True, slots=True, kw_only=True)
class Cast:
    """Who plays: the stage in its folder, the services, the traffic on them; None where there is no edge to send it to.

    `keep`: the story ends without taking anything down, unless something goes wrong.
    """

    stage: Stage
    parts: Sequence[Part]
    traffic: Traffic | None
    folder: Path
    keep: bool = False
