"""Which places of a file name a runtime: manifests, and fleet files of our own."""

from collections.abc import Iterator
from pathlib import Path

from rollout.manifests import fleet_csv
from rollout.manifests.document import SUFFIXES, parse, read_bytes
from rollout.manifests.problem import FileProblemError
from rollout.manifests.railway import NO_RUNTIME, RUNTIME


def places(path: Path) -> list[str]:
    """The places of the file that name a runtime now, dotted; none where it is gone. FileProblemError where it cannot be read."""
    if not path.exists():
        return []
    content, suffix = read_bytes(path), path.suffix.lower()
    if suffix == ".csv":
        return [f"line {line}: {RUNTIME}" for line, cells in fleet_csv.table(content) if RUNTIME in cells]
    if suffix not in SUFFIXES:
        raise FileProblemError(f"no {', '.join(SUFFIXES)} or .csv file any more")
    value = parse(content, suffix).value
    services = value.get("services") if isinstance(value, dict) else value
    listed = services if isinstance(services, list) else []
    return [*_of_tables(value), *(f"services.{n}.{RUNTIME}" for n, entry in enumerate(listed) if _names(entry))]


def _of_tables(value: object) -> Iterator[str]:
    for key in ("deploy", "defaults"):
        if isinstance(value, dict) and _names(value.get(key)):
            yield f"{key}.{RUNTIME}"
    environments = value.get("environments") if isinstance(value, dict) else None
    for name, said in environments.items() if isinstance(environments, dict) else ():
        if isinstance(said, dict) and _names(said.get("deploy")):
            yield f"environments.{name}.deploy.{RUNTIME}"


def _names(table: object) -> bool:
    said = table.get(RUNTIME) if isinstance(table, dict) else None
    return said is not None and str(said).strip().lower() not in {"", NO_RUNTIME}
