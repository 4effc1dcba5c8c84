"""Railway's config-as-code (`railway.json`, `railway.toml`): what of it is ours, and the names of all the rest."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from rollout.manifests import fields
from rollout.manifests.document import Document
from rollout.manifests.draft import Draft
from rollout.manifests.problem import FileProblemError
from rollout.model import limits
from rollout.model.fleet import Kind, RestartPolicy, RuntimeName

SILENT = ("env", "env_file", "image", "port", "volumes", "engine", "pids_max", "read_only", "stop_signal")
LABEL = "railway."

TAKEN: Mapping[str, tuple[str, fields.Reader]] = {
    "startCommand": ("command", fields.text),
    "healthcheckPath": ("health_path", fields.text),
    "healthcheckTimeout": ("health_timeout_s", fields.seconds),
    "numReplicas": ("replicas", fields.whole),
    "restartPolicyType": ("restart", fields.choice(RestartPolicy)),
    "restartPolicyMaxRetries": ("restart_max", fields.whole),
    "cronSchedule": ("cron", fields.text),
    "drainingSeconds": ("draining_s", fields.seconds),
    "region": ("region", fields.text),
}
"""Key of `deploy` → field of a service."""

KEPT: Mapping[str, fields.Reader] = {
    "sleepApplication": fields.flag,
    "overlapSeconds": fields.seconds,
    "preDeployCommand": fields.command,
}
"""Keys of `deploy` that are kept as labels and do nothing."""

RUNTIME, REGIONS, LIMITS, CONTAINERS = "runtime", "multiRegionConfig", "limitOverride", "containers"
NO_RUNTIME = "unspecified"


def is_manifest(document: Document, path: Path) -> bool:
    """Named `railway*`, or with Railway's `$schema`, or with a table `build` or `deploy` at the top."""
    table = document.table
    schema = table.get("$schema")
    if path.name.lower().startswith("railway") or (isinstance(schema, str) and "railway" in schema):
        return True
    return any(isinstance(table.get(key), dict) for key in ("build", "deploy"))


def draft(document: Document, path: Path, *, environment: str, kind: Kind | None) -> Draft:
    """What the manifest says, with `environments.ENVIRONMENT` over it. FileProblemError where a value does not fit."""
    if not isinstance(document.value, dict):
        raise FileProblemError("a manifest must be a table", 1)
    places = (("deploy",), ("environments", environment, "deploy"))
    said: dict[str, tuple[object, tuple[str, ...]]] = {}
    for place in places:
        for key, value in _table(document, place).items():
            said[key] = (value, (*place, key))
    said = {key: (value, place) for key, (value, place) in said.items() if value is not None}
    values: dict[str, object] = {"directory": str(path.resolve().parent), "labels": _labels(document, said)}
    for key, (name, reader) in TAKEN.items():
        if key in said:
            values[name] = _read(document, said[key], reader)
    if REGIONS in said:
        values.update(_regions(document, said[REGIONS], values))
    if LIMITS in said:
        values.update(_limits(document, said[LIMITS][1]))
    return Draft(
        file=path,
        values=_settled(values, kind),
        runtime=_runtime(document, said.get(RUNTIME)),
        runtime_key=".".join(said[RUNTIME][1]) if RUNTIME in said else "",
        silent=SILENT,
        kept=tuple(f"deploy.{key}" for key in KEPT if key in said),
        left_out=tuple(".".join(leaf) for leaf in _leaves(document.table, ()) if not _is_taken(leaf, environment)),
    )


def _table(document: Document, place: tuple[str, ...]) -> Mapping[str, object]:
    value: object = document.value
    for depth, step in enumerate(place, 1):
        value = value.get(step) if isinstance(value, dict) else None
        if value is None:
            return {}
        if not isinstance(value, dict):
            name = ".".join(place[:depth])
            raise FileProblemError(f"{name} must be a table, not {fields.told(value)}", document.line_of(place[:depth]))
    return value if isinstance(value, dict) else {}


def _read(document: Document, said: tuple[object, tuple[str, ...]], reader: fields.Reader) -> object:
    value, place = said
    try:
        return reader(value)
    except ValueError as error:
        raise FileProblemError(f"{'.'.join(place)}: {error}", document.line_of(place)) from error


def _labels(document: Document, said: Mapping[str, tuple[object, tuple[str, ...]]]) -> dict[str, str]:
    labels = {}
    for key, reader in KEPT.items():
        if key in said:
            labels[LABEL + key] = _label(_read(document, said[key], reader))
    return labels


def _label(value: object) -> str:
    if isinstance(value, tuple):
        return " && ".join(value)
    return f"{value:g}" if isinstance(value, float) else str(value).lower() if isinstance(value, bool) else str(value)


def _runtime(document: Document, said: tuple[object, tuple[str, ...]] | None) -> RuntimeName | None:
    if said is None or (isinstance(said[0], str) and said[0].strip().lower() == NO_RUNTIME):
        return None
    value = _read(document, said, fields.choice(RuntimeName))
    return RuntimeName(str(value))


def _regions(document: Document, said: tuple[object, tuple[str, ...]], values: Mapping[str, object]) -> dict[str, object]:
    """Replicas summed over the regions; the first is the service's region, all of them a label where there are more."""
    table, place = said
    counts: dict[str, int] = {}
    for region in _read_regions(document, table, place):
        count = _table(document, (*place, region)).get("numReplicas")
        counts[region] = 1 if count is None else int(str(_read(document, (count, (*place, region, "numReplicas")), fields.whole)))
    if not counts:
        return {}
    labels = dict(fields.pairs(values["labels"]))
    if len(counts) > 1:
        labels[LABEL + "regions"] = ",".join(f"{region}={count}" for region, count in counts.items())
    return {"replicas": sum(counts.values()), "region": next(iter(counts)), "labels": labels}


def _limits(document: Document, place: tuple[str, ...]) -> dict[str, object]:
    """What bounds each copy; what is null is no bound."""
    found = _table(document, (*place, CONTAINERS))
    return {
        field: _read(document, (found[key], (*place, CONTAINERS, key)), reader)
        for key, (field, reader) in BOUNDS.items()
        if found.get(key) is not None
    }


def _memory(value: object) -> int:
    """Bytes as MiB."""
    return limits.memory_mb(str(fields.whole(value)))


BOUNDS: Mapping[str, tuple[str, fields.Reader]] = {"memoryBytes": ("memory_mb", _memory), "cpu": ("cpus", fields.number)}
"""Key of `deploy.limitOverride.containers` → field of a service."""


def _read_regions(document: Document, table: object, place: tuple[str, ...]) -> list[str]:
    if not isinstance(table, dict):
        raise FileProblemError(f"{'.'.join(place)} must be a table, not {fields.told(table)}", document.line_of(place))
    return [region for region, value in table.items() if value is not None]


def _settled(values: dict[str, object], kind: Kind | None) -> dict[str, object]:
    """Blank texts mean nothing; a schedule makes a cron service; only what is reached by HTTP has a health path."""
    settled = {key: value for key, value in values.items() if not (isinstance(value, str) and not value.strip())}
    settled["kind"] = Kind.CRON if "cron" in settled else kind or Kind.HTTP
    path = settled.get("health_path")
    if isinstance(path, str):
        settled["health_path"] = "/" + path.strip().lstrip("/")
    if settled["kind"] in {Kind.TCP, Kind.WORKER}:
        settled.pop("health_path", None)
    return settled


def _leaves(value: object, place: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    if isinstance(value, dict) and (value or not place):
        for key, item in value.items():
            yield from _leaves(item, (*place, key))
    else:
        yield place


def _is_taken(leaf: tuple[str, ...], environment: str) -> bool:
    if leaf == ("$schema",):
        return True
    for place in (("deploy",), ("environments", environment, "deploy")):
        if leaf[: len(place)] == place and len(leaf) > len(place):
            key, rest = leaf[len(place)], leaf[len(place) + 1 :]
            if key == LIMITS:
                return not rest or (rest[0] == CONTAINERS and (len(rest) == 1 or rest[1] in BOUNDS))
            if key == REGIONS:
                return len(rest) < 2 or rest[1] == "numReplicas"
            return key in TAKEN or key in KEPT or key == RUNTIME
    return leaf in {("deploy",), ("environments", environment), ("environments", environment, "deploy")}
