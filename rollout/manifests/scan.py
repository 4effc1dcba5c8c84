"""From paths to services: which files are ours, what each says, how each service is called, and what is wrong."""

import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rollout.manifests import compose, fleet, fleet_csv, railway
from rollout.manifests.document import SUFFIXES, Document, parse, read_bytes
from rollout.manifests.draft import ENVIRONMENT, Draft, Found, Given
from rollout.manifests.mapping import PART, MappingFile
from rollout.manifests.problem import FileProblemError, Problem
from rollout.model.fleet import Service
from rollout.model.names import to_label
from rollout.model.service_rules import problems

MANIFESTS = (".json", ".jsonc", ".toml")
TABLE = ".csv"
NOT_OURS = (
    "neither a fleet file (a list `services`) nor a Compose file (a table `services`) nor a Railway manifest "
    "(named railway*, with Railway's $schema, or with a table `build` or `deploy`)"
)
PASSED_FOLDERS = {"node_modules", "__pycache__", "venv"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """What was found, in the order of the paths."""

    found: tuple[Found, ...]
    problems: tuple[Problem, ...]
    passed_over: tuple[Path, ...]
    unused: tuple[str, ...] = ()


@dataclass(slots=True)
class _Heap:
    """What a pass over the files collects; `manifests` and their names come last, since names depend on neighbours.

    `mapped`: what a mapping file may speak of, absolute.
    """

    given: Given
    mapping: MappingFile
    environ: Mapping[str, str]
    drafts: list[tuple[Draft, Given]] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    passed_over: list[Path] = field(default_factory=list)
    manifests: list[Path] = field(default_factory=list)
    mapped: list[str] = field(default_factory=list)


def scan(paths: Sequence[Path], given: Given, mapping: MappingFile, environ: Mapping[str, str] | None = None) -> Scan:
    """All services that the files and folders describe. Reads only; never raises for a bad file.

    `environ` fills in the variables of Compose files.
    """
    heap = _Heap(given=given, mapping=mapping, environ=environ or {})
    for path, asked in _files(paths):
        try:
            _file(path, asked, heap)
        except FileProblemError as error:
            heap.problems.append(Problem(file=path, line=error.line, reason=error.reason))
            if path.suffix.lower() in MANIFESTS:
                heap.manifests.append(path)
    found = list(_complete(heap))
    good, clashes = _clashes(found)
    bad = sorted([*heap.problems, *clashes], key=lambda problem: (str(problem.file), problem.line or 0))
    unused = tuple(mapping.unused([*(path.resolve().as_posix() for path in heap.manifests), *heap.mapped]))
    return Scan(found=tuple(good), problems=tuple(bad), passed_over=tuple(heap.passed_over), unused=unused)


def _files(paths: Sequence[Path]) -> Iterator[tuple[Path, bool]]:
    """Each file once, and whether it was named itself. Hidden folders and those of installed packages are passed by."""
    seen: set[Path] = set()
    for path in paths:
        for file, asked in [(path, True)] if not path.is_dir() else ((inner, False) for inner in _walk(path)):
            if (resolved := file.resolve()) not in seen:
                seen.add(resolved)
                yield file, asked


def _walk(folder: Path) -> Iterator[Path]:
    for at, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name not in PASSED_FOLDERS)
        yield from (Path(at) / name for name in sorted(names))


def _file(path: Path, asked: bool, heap: _Heap) -> None:
    suffix = path.suffix.lower()
    ours = asked or path.name.lower().startswith("fleet") or path.name.lower() in compose.NAMES
    if suffix == TABLE and ours:
        _add(heap, fleet_csv.read(read_bytes(path), path))
    elif suffix in MANIFESTS or (suffix in SUFFIXES and ours):
        document = parse(read_bytes(path), suffix)
        if fleet.is_fleet(document, path):
            _add(heap, fleet.read(document, path))
        elif compose.is_file(document, path, asked=asked):
            _compose(document, path, asked, heap)
        elif suffix in MANIFESTS and railway.is_manifest(document, path):
            heap.manifests.append(path)
            given = heap.mapping.of(path).over(heap.given)
            draft = railway.draft(document, path, environment=given.environment or ENVIRONMENT, kind=given.kind)
            heap.drafts.append((draft, given))
        elif asked and (isinstance(document.table.get("services"), list) or isinstance(document.value, list)):
            _add(heap, fleet.read(document, path))
        else:
            _pass_over(path, asked, heap)
    else:
        _pass_over(path, asked, heap)


def _add(heap: _Heap, result: tuple[list[Draft], list[Problem]]) -> None:
    drafts, bad = result
    heap.drafts.extend((draft, heap.given) for draft in drafts)
    heap.problems.extend(bad)


def _compose(document: Document, path: Path, asked: bool, heap: _Heap) -> None:
    """Its services, each with what the mapping file says of it. `--name` can name one service alone."""
    if not asked and compose.shadowed(path):
        heap.passed_over.append(path)
        return
    whole = path.resolve().as_posix()
    heap.mapped.append(whole)
    services = document.table.get("services")
    if (heap.given.name or heap.mapping.of(path).name) and isinstance(services, dict) and len(services) > 1:
        raise FileProblemError(f"has {len(services)} services: name one as {path.name}{PART}SERVICE in a mapping file")

    def given_of(service: str) -> Given:
        heap.mapped.append(f"{whole}{PART}{service}")
        return heap.mapping.of_part(path, service).over(heap.given)

    drafts, bad = compose.read(document, path, given_of, heap.environ)
    heap.drafts.extend(drafts)
    heap.problems.extend(bad)


def _pass_over(path: Path, asked: bool, heap: _Heap) -> None:
    if asked:
        read_bytes(path)
        raise FileProblemError(NOT_OURS)
    heap.passed_over.append(path)


def _complete(heap: _Heap) -> Iterator[Found]:
    """Each draft with its name and what was given for it; what breaks a rule becomes a problem."""
    crowd = Counter(path.resolve().parent for path in set(heap.manifests))
    for draft, given in heap.drafts:
        name = draft.values.get("name") or given.name or _name_of(draft.file.resolve(), crowd)
        values: dict[str, Any] = {"environment": given.environment or ENVIRONMENT, "customer": given.customer, "tier": given.tier}
        values |= {"kind": given.kind} if given.kind else {}
        values |= {**draft.values, "name": name}
        missing = [key for key in ("name", "customer", "tier") if not values[key]]
        if missing:
            reasons = [f"{key} is not known: give --{key} or a mapping file" for key in missing]
        else:
            service = _service(values)
            reasons = [f"{key} {reason}" for key, reason in problems(service)]
            if not reasons:
                yield Found(service=service, draft=draft)
        heap.problems.extend(
            Problem(file=draft.file, line=draft.line, reason=f"{name}: {reason}".removeprefix(": ")) for reason in reasons
        )


def _service(values: dict[str, Any]) -> Service:
    return Service(**values)


def _name_of(file: Path, crowd: Counter[Path]) -> str:
    folder = file.parent
    return to_label(folder.name if crowd[folder] < 2 else f"{folder.name}-{file.stem}")


def _clashes(found: Iterable[Found]) -> tuple[list[Found], list[Problem]]:
    """Services that no other has the name of, and a problem for each name that several have."""
    by_id: dict[str, list[Found]] = defaultdict(list)
    for one in found:
        by_id[one.service.id].append(one)
    bad = []
    for name, same in by_id.items():
        for one in same[1:]:
            reason = f"the name {name} is also that of {same[0].where}: give names by a mapping file"
            bad.append(Problem(file=one.draft.file, line=one.draft.line, reason=reason))
    return [same[0] for same in by_id.values() if len(same) == 1], bad
