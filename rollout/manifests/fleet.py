"""Our own fleet files: `services`, a list of tables with the fields of a service, and `defaults` for all of them.

TOML, YAML and JSON have the same keys, times in seconds. `env_names`: variables whose values stay as the home has them. A key
that is not ours is an error: in our own file it is a typo.
"""

from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from functools import partial
from pathlib import Path

from rollout.manifests import fields
from rollout.manifests.document import Document, Place
from rollout.manifests.draft import Draft
from rollout.manifests.problem import FileProblemError, Problem
from rollout.model.fleet import EngineName, Kind, RestartPolicy, RuntimeName, Tier

KEYS: Mapping[str, fields.Reader] = {
    "name": fields.text,
    "environment": fields.text,
    "customer": fields.text,
    "tier": fields.choice(Tier),
    "kind": fields.choice(Kind),
    "command": fields.command,
    "image": fields.text,
    "directory": fields.text,
    "env": fields.pairs,
    "env_names": fields.strings,
    "env_file": fields.text,
    "port": fields.port,
    "health_path": fields.text,
    "health_timeout_s": fields.seconds,
    "replicas": fields.whole,
    "volumes": fields.strings,
    "region": fields.text,
    "restart": fields.choice(RestartPolicy),
    "restart_max": fields.whole,
    "draining_s": fields.seconds,
    "labels": fields.pairs,
    "engine": fields.choice(EngineName),
    "cron": fields.text,
    "memory_mb": fields.whole,
    "cpus": fields.number,
    "pids_max": fields.whole,
    "read_only": fields.flag,
    "stop_signal": fields.stop_signal,
    "runtime": fields.choice(RuntimeName),
}
TOP = {"services", "defaults", "format_version"}
NEWEST_FORMAT = 1
LineOf = Callable[[Place], int | None]


class Near:
    """Paths as `file` means them: relative ones from its folder. Each is looked up once: the services of a file share them."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._folder = file.resolve().parent
        self._known: dict[str, str] = {}

    def path(self, written: str) -> str:
        """The absolute path, links followed."""
        if written not in self._known:
            self._known[written] = str((self._folder / written).resolve())
        return self._known[written]


def is_fleet(document: Document, path: Path) -> bool:
    """Named `fleet*`, or with a `format_version` and a list of `services`."""
    table = document.table
    return path.name.lower().startswith("fleet") or ("format_version" in table and isinstance(table.get("services"), list))


def read(document: Document, path: Path) -> tuple[list[Draft], list[Problem]]:
    """The services of the file, and every place in it that does not fit."""
    try:
        services, defaults = _top(document)
    except FileProblemError as error:
        return [], [Problem(file=path, line=error.line, reason=error.reason)]
    near = Near(path)
    drafts, problems = [], []
    for number, entry in enumerate(services):
        try:
            drafts.append(entry_draft(entry, defaults, near, ("services", number), document.line_of))
        except FileProblemError as error:
            problems.append(Problem(file=path, line=error.line, reason=error.reason))
    return drafts, problems


def _top(document: Document) -> tuple[list[object], Mapping[str, object]]:
    table = document.table
    if isinstance(document.value, list):
        table = {"services": document.value}
    for key in table:
        if key not in TOP:
            raise FileProblemError(_unknown(key, TOP), document.line_of((key,)))
    if table.get("format_version", NEWEST_FORMAT) != NEWEST_FORMAT:
        raise FileProblemError(f"format_version must be {NEWEST_FORMAT}", document.line_of(("format_version",)))
    services, defaults = table.get("services"), table.get("defaults", {})
    if not isinstance(services, list):
        raise FileProblemError("a fleet file needs a list `services`", document.line_of(("services",)))
    return services, dict(_values(defaults, "defaults", ("defaults",), document.line_of))


def entry_draft(entry: object, defaults: Mapping[str, object], near: Near, place: Place, line_of: LineOf) -> Draft:
    """One service of the file; relative folders are seen from the file's. FileProblemError with the line."""
    name = entry.get("name") if isinstance(entry, dict) else None
    told = f"service {name!r}" if isinstance(name, str) else f"service number {int(place[-1]) + 1}"
    values = {**defaults, **dict(_values(entry, told, place, line_of))}
    if "name" not in values:
        raise FileProblemError(f"{told} has no name", line_of(place))
    runtime = values.pop("runtime", None)
    known = fields.strings(values.pop("env_names", ()))
    values["directory"] = near.path(str(values.get("directory") or ""))
    if env_file := values.get("env_file"):
        values["env_file"] = near.path(str(env_file))
    chosen = RuntimeName(str(runtime)) if runtime else None
    key = ".".join(str(step) for step in (*place, "runtime")) if chosen else ""
    where = partial(line_of, place)
    return Draft(file=near.file, locate=where, values=values, runtime=chosen, runtime_key=key, kept_env=known)


def _values(entry: object, told: str, place: Place, line_of: LineOf) -> Iterator[tuple[str, object]]:
    if not isinstance(entry, dict):
        raise FileProblemError(f"{told} must be a table, not {fields.told(entry)}", line_of(place))
    for key, value in entry.items():
        if key not in KEYS:
            raise FileProblemError(f"{told}: {_unknown(key, KEYS)}", line_of((*place, key)))
        if value is None:
            continue
        try:
            yield key, KEYS[key](value)
        except ValueError as error:
            raise FileProblemError(f"{told}: {key} {error}", line_of((*place, key))) from error


def _unknown(key: str, known: Mapping[str, object] | set[str]) -> str:
    near = get_close_matches(key, sorted(known), n=1)
    return f"unknown key {key!r}" + (f"; did you mean {near[0]}?" if near else f"; known are {', '.join(sorted(known))}")
