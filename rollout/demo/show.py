"""The demo as it is shown: a real stage in a folder of its own, the fleet, the traffic."""

import tempfile
from pathlib import Path

from rollout.demo.cast import Cast
from rollout.demo.services import NEIGHBOUR_REPORT, parts
from rollout.demo.story import Story
from rollout.demo.traffic import Traffic
from rollout.wiring.demo import DemoStage

CALLED = "shop/api"
"""The service that its neighbour calls all the time."""


def story(*, seed: int, keep: bool = False, slow: bool = False) -> Story:
    """A demo that is ready to be told. Its folder is made now, and gone after its last event, unless it is kept.

    `seed`: of the load. `slow`: with time to watch.
    """
    folder = Path(tempfile.mkdtemp(prefix="rollout-demo-")).resolve()
    fleet = parts(folder, slow=slow)
    traffic = Traffic(fleet, report=folder / NEIGHBOUR_REPORT, called=CALLED, seed=seed)
    return Story(cast=Cast(stage=DemoStage(folder, slow=slow), parts=fleet, traffic=traffic, folder=folder, keep=keep))
