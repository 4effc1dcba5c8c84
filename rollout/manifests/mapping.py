"""The mapping file: which manifest is which service, of which customer, tier and environment.

`[[services]]` with `file` (a path or pattern, seen from the mapping file's folder) and any of `name`, `environment`,
`customer`, `tier`, `kind`; as TOML, YAML, JSON, or as CSV with these columns. Of several that fit, the last one wins.
`compose.yaml#web` is the service web of a Compose file.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from glob import escape
from pathlib import Path

from rollout.errors import UsageError
from rollout.manifests import fields, fleet_csv
from rollout.manifests.document import SUFFIXES, parse, read_bytes
from rollout.manifests.draft import Given
from rollout.manifests.problem import FileProblemError, Problem
from rollout.model.fleet import Kind, Tier

PART = "#"
MAGIC = re.compile(r"[*?\[]")
KEYS = ("file", "name", "environment", "customer", "tier", "kind")


@dataclass(frozen=True, slots=True)
class MappingFile:
    """Entries in the order of the file, their patterns absolute."""

    entries: tuple[tuple[str, Given], ...] = ()

    def of(self, file: Path) -> Given:
        """What the mapping says of one manifest."""
        return self._of(file.resolve().as_posix())

    def of_part(self, file: Path, part: str) -> Given:
        """What the mapping says of one service of a file: of itself, then of the file."""
        path = file.resolve().as_posix()
        return self._of(f"{path}{PART}{part}").over(self._of(path))

    def _of(self, path: str) -> Given:
        given = Given()
        for pattern, said in self.entries:
            if fnmatchcase(path, pattern):
                given = said.over(given)
        return given

    def unused(self, names: Iterable[str]) -> list[str]:
        """Patterns that fit none of `names`: files, and parts of files as FILE#PART."""
        known = list(names)
        return [pattern for pattern, _ in self.entries if not any(fnmatchcase(name, pattern) for name in known)]


def read(path: Path) -> MappingFile:
    """The mapping of the file. UsageError with file, line and reason where it does not fit."""
    try:
        return MappingFile(tuple(_entry(cells, line, path.resolve().parent) for line, cells in _cells(path)))
    except FileProblemError as error:
        told = Problem(file=path, line=error.line, reason=error.reason)
        raise UsageError(str(told), state="nothing was imported", then="correct the mapping file") from error


def _cells(path: Path) -> list[tuple[int | None, dict[str, object]]]:
    content, suffix = read_bytes(path), path.suffix.lower()
    if suffix == ".csv":
        return [(line, dict(cells)) for line, cells in fleet_csv.rows(content, set(KEYS))]
    if suffix not in SUFFIXES:
        raise FileProblemError(f"a mapping file ends in {', '.join(SUFFIXES)} or .csv")
    document = parse(content, suffix)
    services = document.value if isinstance(document.value, list) else document.table.get("services")
    if not isinstance(services, list) or not all(isinstance(entry, dict) for entry in services):
        raise FileProblemError("a mapping file needs a list `services` of tables")
    return [(document.line_of(("services", number)), entry) for number, entry in enumerate(services)]


def _pattern(file: str, folder: Path) -> str:
    """The pattern below the mapping file's folder; an absolute one with the links in its leading folders followed."""
    if not file.startswith("/"):
        return escape(folder.as_posix()).rstrip("/") + "/" + file.removeprefix("./")
    lead = MAGIC.split(file, maxsplit=1)[0].rpartition("/")[0]
    return escape(Path(lead or "/").resolve().as_posix()).rstrip("/") + file.removeprefix(lead)


def _entry(cells: dict[str, object], line: int | None, folder: Path) -> tuple[str, Given]:
    try:
        for key in cells:
            if key not in KEYS:
                raise ValueError(f"unknown key {key!r}; known are {', '.join(KEYS)}")
        said = {key: fields.text(value) for key, value in cells.items()}
        if "file" not in said:
            raise ValueError("an entry needs a `file`")
        return _pattern(said["file"], folder), Given(
            name=said.get("name"),
            environment=said.get("environment"),
            customer=said.get("customer"),
            tier=fields.one_of(Tier, said["tier"]) if "tier" in said else None,
            kind=fields.one_of(Kind, said["kind"]) if "kind" in said else None,
        )
    except ValueError as error:
        raise FileProblemError(str(error), line) from error
