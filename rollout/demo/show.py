"""The demo as it is shown: a real stage in a folder of its own, the fleet, the traffic."""

import shutil
import tempfile
from functools import partial
from pathlib import Path

from rollout.demo.cast import Cast
from rollout.demo.container_image import archive, rootfs
from rollout.demo.services import Body, parts
from rollout.demo.story import Story
from rollout.demo.traffic import Traffic
from rollout.model.fleet import EngineName
from rollout.wiring.able import here
from rollout.wiring.demo import DemoStage
from rollout.wiring.demo_engines import DemoEngines, check

CALLED = "shop/api"
"""The service that its neighbour calls all the time."""


def story(*, seed: int, keep: bool = False, slow: bool = False, engine: EngineName = EngineName.PROCESS) -> Story:
    """A demo that is ready to be told. Its folder is made now, and gone after its last event, unless it is kept.

    `seed`: of the load. `slow`: with time to watch. BrokenError, with nothing made, where an engine is missing.
    """
    contained = engine is not EngineName.PROCESS
    if contained:
        check(engine)
        root = rootfs()
    folder = Path(tempfile.mkdtemp(prefix="rollout-demo-")).resolve()
    try:
        body, engines = Body(), None
        if contained:
            engines = DemoEngines(DemoStage.home_in(folder), engine, image=partial(archive, root=root))
            body = Body(program=root.argv, engine=engine, image=engines.tag, apart=here())
        fleet = parts(folder, slow=slow, body=body)
        stage = DemoStage(folder, slow=slow, engines=engines)
    except BaseException:
        shutil.rmtree(folder)
        raise
    traffic = Traffic(fleet, called=CALLED, seed=seed)
    return Story(cast=Cast(stage=stage, parts=fleet, traffic=traffic, folder=folder, keep=keep))
