"""Where the home is. Apart from `home`, which can open its store: a shell that completes a word waits for this one."""

import os
from pathlib import Path

FOLDER = ".rollout"
NAMED = "ROLLOUT_HOME"


def folder(start: Path | None = None) -> Path | None:
    """The folder that ROLLOUT_HOME names, else the nearest `.rollout/` upward; None where there is none."""
    named = os.environ.get(NAMED)
    if named:
        return Path(named) if Path(named).is_dir() else None
    here = (start or Path.cwd()).resolve()
    return next((above / FOLDER for above in (here, *here.parents) if (above / FOLDER).is_dir()), None)
