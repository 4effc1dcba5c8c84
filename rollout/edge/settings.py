"""What a home decides about its edge, in one small file that a person may edit: `settings.json` in the edge's folder."""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

from rollout.errors import UsageError

FILE = "settings.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class EdgeSettings:
    """What a home decides about its edge. Times in seconds.

    `retries`: one second try, on another copy. `copy_idle_s` must be below the keep-alive of the copies, or a request meets
    a connection that its copy is just closing. `connections`: more at once than this are refused.
    """

    listen: str = "127.0.0.1"
    workers: int = 2
    retries: bool = True
    connect_s: float = 0.25
    copy_idle_s: float = 1.0
    client_idle_s: float = 300.0
    headers_s: float = 5.0
    header_kb: int = 60
    headers: int = 100
    connections: int = 3000


def settings_of(folder: Path) -> EdgeSettings:
    """What was kept there, defaults for the rest. UsageError where the file names or holds what does not exist."""
    path = folder / FILE
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return EdgeSettings()
    except ValueError as error:
        raise _wrong(path, str(error)) from error
    kinds = {field.name: type(getattr(EdgeSettings(), field.name)) for field in dataclasses.fields(EdgeSettings)}
    if not isinstance(held, dict) or not held.keys() <= kinds.keys():
        raise _wrong(path, f"known are {', '.join(kinds)}")
    for name, value in held.items():
        if type(value) is not kinds[name] and not (kinds[name] is float and type(value) is int):
            raise _wrong(path, f"{name} is not a {kinds[name].__name__}")
    return EdgeSettings(**held)


def keep_settings(folder: Path, settings: EdgeSettings) -> None:
    """The edge of this folder has these settings from its next start on."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    differing = {k: v for k, v in dataclasses.asdict(settings).items() if v != getattr(EdgeSettings(), k)}
    (folder / FILE).write_text(json.dumps(differing, indent=1) + "\n", encoding="utf-8")


def _wrong(path: Path, why: str) -> UsageError:
    return UsageError(f"{path}: {why}", state="the edge was not started", then=f"correct {path}, or remove it for the defaults")
