"""The environments that have a private network on this host, read from the mesh's files without loading the mesh."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any


def kept(folder: Path) -> Mapping[str, str]:
    """The /64 of each; those whose file cannot be read are left out. `folder`: HOME/host/mesh."""
    return {name: str(record["prefix"]) for name, record in _records(folder)}


def opened(folder: Path) -> Sequence[str]:
    """Those whose instances are to reach the outside."""
    return [name for name, record in _records(folder) if record.get("egress")]


def _records(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    with suppress(OSError):
        for name in sorted(os.listdir(folder / "environments")):
            with suppress(OSError, ValueError):
                record = None if name.startswith(".") else json.loads((folder / "environments" / name).read_bytes())
                if isinstance(record, dict) and "prefix" in record:
                    yield name, record
