"""A fleet as a table: one row per service, one column per key; `env.NAME` and `labels.NAME` for the tables.

An empty cell says nothing. `command` is run by the shell; volumes and env_names are separated by blanks. A column `KEY:json`
holds the value of a key as JSON: what a plain cell cannot say.
"""

import csv
import json
from collections.abc import Collection, Iterator, Mapping
from functools import partial
from io import StringIO
from pathlib import Path

from rollout.manifests import fields
from rollout.manifests.document import Place
from rollout.manifests.draft import Draft
from rollout.manifests.fleet import KEYS, Near, entry_draft
from rollout.manifests.jsonc import decode
from rollout.manifests.problem import FileProblemError, Problem

TABLES = ("env", "labels")
LISTS = ("volumes", "env_names")
AS_JSON = ":json"
NUMBERS = tuple(key for key, reader in KEYS.items() if reader in {fields.whole, fields.seconds, fields.port, fields.number})
FLAGS = tuple(key for key, reader in KEYS.items() if reader is fields.flag)


def read(content: bytes, path: Path) -> tuple[list[Draft], list[Problem]]:
    """The services of the table, and every row that does not fit."""
    near = Near(path)
    drafts, problems = [], []
    try:
        for number, (line, cells) in enumerate(_rows(content)):
            try:
                drafts.append(entry_draft(_entry(cells), {}, near, (number,), partial(_line, line)))
            except FileProblemError as error:
                problems.append(Problem(file=path, line=error.line, reason=error.reason))
    except FileProblemError as error:
        problems.append(Problem(file=path, line=error.line, reason=error.reason))
    return drafts, problems


def rows(content: bytes, known: set[str], more: Collection[str] = ()) -> Iterator[tuple[int, Mapping[str, str]]]:
    """Lines and cells of a table whose columns are all `known`, or among `more`. FileProblemError with the line."""
    reader = csv.reader(StringIO(decode(content), newline=""), strict=True)
    try:
        header = [cell.strip() for cell in next(reader, [])]
        _check([name for name in header if name not in more], known)
        _require_once(header)
        begin = reader.line_num + 1
        for cells in reader:
            if any(cells):
                if len(cells) != len(header):
                    raise FileProblemError(f"{len(cells)} cells where the header has {len(header)}", begin)
                yield begin, {name: cell.strip() for name, cell in zip(header, cells, strict=True) if cell.strip()}
            begin = reader.line_num + 1
    except csv.Error as error:
        raise FileProblemError(f"not CSV: {error}", reader.line_num) from error


def _line(line: int, _place: Place) -> int:
    return line


def table(content: bytes) -> Iterator[tuple[int, Mapping[str, str]]]:
    """Lines and cells of a fleet. FileProblemError with the line."""
    yield from _rows(content)


def _rows(content: bytes) -> Iterator[tuple[int, Mapping[str, str]]]:
    yield from rows(content, set(KEYS) - set(TABLES), {key + AS_JSON for key in KEYS})


def _check(header: list[str], known: set[str]) -> None:
    for name in header:
        if name not in known and not (name.startswith(tuple(f"{table}." for table in TABLES)) and "name" in known):
            raise FileProblemError(f"unknown column {name!r}; known are {', '.join(sorted(known))}", 1)


def _require_once(header: list[str]) -> None:
    for name in header:
        if header.count(name) > 1:
            raise FileProblemError(f"duplicate column {name!r}", 1)
    if not header:
        raise FileProblemError("empty: a table needs a header", 1)


def _entry(cells: Mapping[str, str]) -> dict[str, object]:
    entry: dict[str, object] = {}
    for name, cell in cells.items():
        table, _, key = name.partition(".")
        if name.endswith(AS_JSON) and name.removesuffix(AS_JSON) in KEYS:
            entry[name.removesuffix(AS_JSON)] = _json(name, cell)
        elif key:
            held = entry.setdefault(table, {})
            if isinstance(held, dict):
                held[key] = cell
        elif name in LISTS:
            entry[name] = cell.split()
        else:
            entry[name] = _plain(name, cell)
    return entry


def _json(name: str, cell: str) -> object:
    try:
        return json.loads(cell)
    except (ValueError, RecursionError) as error:
        raise FileProblemError(f"column {name}: not JSON") from error


def _plain(name: str, cell: str) -> object:
    if name in FLAGS:
        return {"true": True, "false": False}.get(cell.lower(), cell)
    return _number(cell) if name in NUMBERS else cell


def _number(cell: str) -> object:
    for kind in (int, float):
        try:
            return kind(cell)
        except ValueError:
            continue
    return cell
