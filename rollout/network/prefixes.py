"""The /64 of each environment that has a private network on this host, read from the mesh's files without loading the mesh."""

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path


def kept(folder: Path) -> Mapping[str, str]:
    """By environment; those whose file cannot be read are left out. `folder`: HOME/host/mesh."""
    found = {}
    with suppress(OSError):
        for name in sorted(os.listdir(folder / "environments")):
            with suppress(OSError, ValueError, KeyError, TypeError):
                if not name.startswith("."):
                    found[name] = str(json.loads((folder / "environments" / name).read_bytes())["prefix"])
    return found
