"""What we remember of every container of ours: one small file (0600) each, without its environment.

It is written before the container is made, so that nothing of ours is ever forgotten, and says what an engine does not: that it
was we who stopped it, and whether it was its memory limit that ended it.
"""

import json
import os
import threading
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from rollout.errors import BrokenError
from rollout.host.ports import InstanceSpec
from rollout.model.fleet import EngineName, RestartPolicy

SUFFIX, RESOLVER = ".json", ".resolv"


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """`stopping`: it is to stop, or has. `stopped`: nothing of it runs. `lost`: its processes went while its engine was away.

    `ended_by_memory` is told of the container named there alone.
    """

    id: str
    engine: EngineName
    socket: str
    restart: RestartPolicy = RestartPolicy.NEVER
    restart_max: int = 0
    stopping: bool = False
    stopped: bool = False
    lost: bool = False
    exit_code: int | None = None
    restarts: int = 0
    ended_by_memory: str = ""

    @classmethod
    def of(cls, spec: InstanceSpec, socket: str) -> "Record":
        """Of an instance that is about to be started."""
        return cls(id=spec.id, engine=spec.engine, socket=socket, restart=spec.restart, restart_max=spec.restart_max)


class Records:
    """All files in a folder (0700). Safe to use from many threads and processes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def read(self, instance: str) -> Record | None:
        """What is remembered of it; None where it is no container of ours."""
        try:
            told = json.loads(self._path(instance).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        return Record(**{**told, "engine": EngineName(told["engine"]), "restart": RestartPolicy(told["restart"])})

    def write(self, record: Record) -> Record:
        """It is remembered so from now on. BrokenError where it cannot be written."""
        path = self._path(record.id)
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            draft = path.with_name(f"{path.name}.{os.getpid()}.{threading.get_ident()}")
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                json.dump(asdict(record), file)
            draft.replace(path)
        except OSError as error:
            raise BrokenError(f"cannot write {path}: {error.strerror}", then="free some space") from error
        return record

    def note(self, record: Record, **what: object) -> Record:
        """The record with these fields changed, written where that changes anything."""
        changed = replace(record, **what)  # type: ignore[arg-type]  # fields of Record by name
        return record if changed == record else self.write(changed)

    def resolver(self, instance: str, text: str) -> Path:
        """A file with this text, for its resolv.conf; it goes with the record. BrokenError where it cannot be written."""
        path = self.folder / f"{instance}{RESOLVER}"
        try:
            path.write_text(text, encoding="ascii")
        except OSError as error:
            raise BrokenError(f"cannot write {path}: {error.strerror}", then="free some space") from error
        return path

    def erase(self, instance: str) -> None:
        """Nothing is remembered of it. Idempotent."""
        self._path(instance).unlink(missing_ok=True)
        (self.folder / f"{instance}{RESOLVER}").unlink(missing_ok=True)

    def names(self) -> list[str]:
        """All that is remembered."""
        found = self.folder.iterdir() if self.folder.is_dir() else ()
        return sorted(path.name.removesuffix(SUFFIX) for path in found if path.name.endswith(SUFFIX))

    def _path(self, instance: str) -> Path:
        return self.folder / f"{instance}{SUFFIX}"
