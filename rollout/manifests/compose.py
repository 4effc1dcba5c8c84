"""Compose files: what of them is ours, and the names of all the rest.

Anchors, aliases and merge keys are those of YAML and hold. `extends` and `include` name other files, which are not read:
`docker compose config` writes one file of them all.
"""

from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path

from rollout.manifests import compose_service, fields
from rollout.manifests.compose_source import Source
from rollout.manifests.document import Document
from rollout.manifests.draft import Draft, Given
from rollout.manifests.interpolation import Variables
from rollout.manifests.problem import FileProblemError, Problem
from rollout.model.names import to_label

STEMS = ("compose", "docker-compose")
NAMES = tuple(f"{stem}{suffix}" for stem in STEMS for suffix in (".yaml", ".yml"))
"""Files that Compose finds by itself, the first of a folder wins."""
TOP = ("services", "name")
TOP_KNOWN = (*TOP, "version", "networks", "volumes", "configs", "secrets", "include", "models")
WRITE_OUT = "import what `docker compose config` writes, which has all in one file"


def is_file(document: Document, path: Path, *, asked: bool) -> bool:
    """Named as Compose names its files, or, where the file itself was asked for, with a table `services`."""
    return path.name.lower() in NAMES or (asked and isinstance(document.table.get("services"), dict))


def shadowed(path: Path) -> bool:
    """Whether Compose would read another file of this folder in its place."""
    name = path.name.lower()
    return any((path.parent / other).exists() for other in NAMES[: NAMES.index(name)])


def read(
    document: Document, path: Path, given_of: Callable[[str], Given], environ: Mapping[str, str]
) -> tuple[list[tuple[Draft, Given]], list[Problem]]:
    """The services of the file with what was given for each, and every service that does not fit."""
    folder = path.resolve().parent
    source = Source(document=document, file=path, variables=Variables(folder, environ))
    try:
        services = _services(source)
        environment = _environment(source)
        notes = tuple(_of_the_file(source))
    except FileProblemError as error:
        return [], [Problem(file=path, line=error.line, reason=error.reason)]
    rest = tuple(key for key in document.table if key not in TOP)
    drafts: list[tuple[Draft, Given]] = []
    problems = []
    for name in services:
        given = given_of(name).over(Given(environment=environment))
        try:
            draft = compose_service.draft(source, name, given, notes=notes, left_out=() if drafts else rest)
        except FileProblemError as error:
            problems.append(Problem(file=path, line=error.line, reason=error.reason))
        else:
            drafts.append((draft, given))
    return drafts, problems


def _services(source: Source) -> list[str]:
    table = source.document.table
    if "services" not in table:
        includes = f"it includes others: {WRITE_OUT}" if "include" in table else "a Compose file needs a table `services`"
        raise FileProblemError(_typo(table, TOP_KNOWN) or includes, source.document.line_of(("include",)))
    services = table["services"]
    if not isinstance(services, dict) or not services:
        raise source.unfit(("services",), f"must be a table of services, not {fields.told(services) if services else 'empty'}")
    if typo := _typo(table, TOP_KNOWN):
        raise FileProblemError(typo, source.document.line_of((typo.split("'")[1],)))
    return list(services)


def _typo(table: Mapping[str, object], known: tuple[str, ...]) -> str:
    for key in table:
        near = [] if key in known or key.startswith("x-") else get_close_matches(key, known, n=1, cutoff=0.8)
        if near:
            return f"unknown key {key!r}; did you mean {near[0]}?"
    return ""


def _environment(source: Source) -> str:
    """The `name:` of the file, else its folder; empty where neither has a letter or digit."""
    said = source.document.table.get("name")
    return to_label(source.text(("name",)) if said is not None else source.file.resolve().parent.name)


def _of_the_file(source: Source) -> Iterator[str]:
    """What is to be known of the file as a whole."""
    if "include" in source.document.table:
        yield f"include: the services of those files are not read; {WRITE_OUT}"
    stem = source.file.name.rpartition(".")[0]
    for suffix in (".yaml", ".yml"):
        beside = source.file.with_name(f"{stem}.override{suffix}")
        if beside.exists():
            yield f"{beside.name} beside it is not laid over it; {WRITE_OUT}"
