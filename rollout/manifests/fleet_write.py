"""Services as one of our own fleet files: what `fleet` and `fleet_csv` read back as the same services.

TOML and YAML take strings and lists as JSON writes them, so one way to quote serves all of them.
"""

import csv
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import StrEnum
from io import StringIO

from rollout.manifests.fleet import KEYS, NEWEST_FORMAT
from rollout.manifests.fleet_csv import AS_JSON, LISTS, TABLES
from rollout.model.fleet import Service, Tier

Entry = Mapping[str, object]
ALWAYS = ("name", "environment", "customer", "tier", "kind")
NOTE = "Values of env are not in this file: env_names says which the home must have when it is imported."
_USUAL = Service(name="", environment="", customer="", tier=Tier.TRIAL)
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_UNPRINTABLE = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")


class Form(StrEnum):
    """How the file is written; its name ends so, of YAML also in `.yml`."""

    TOML = "toml"
    YAML = "yaml"
    JSON = "json"
    CSV = "csv"


def entry(service: Service, *, secrets: bool) -> Entry:
    """The service with the keys of a fleet file; what is as usual is left out. Without `secrets` of env the names alone."""
    said: dict[str, object] = {}
    for key in KEYS:
        value = getattr(service, key, None)
        if key in ALWAYS or value != getattr(_USUAL, key, None):
            said[key] = str(value) if isinstance(value, StrEnum) else value
    if not secrets and said.pop("env", None):
        said["env_names"] = sorted(service.env)
    return said


def pieces(entries: Iterable[Entry], form: Form, *, secrets: bool) -> Iterator[str]:
    """The text of the file, piece by piece."""
    writers: Mapping[Form, Callable[[Iterable[Entry]], Iterator[str]]]
    writers = {Form.TOML: _toml, Form.YAML: _yaml, Form.JSON: _json, Form.CSV: _csv}
    if not secrets and form in {Form.TOML, Form.YAML}:
        yield f"# {NOTE}\n"
    yield from writers[form](entries)


def _quoted(value: object) -> str:
    """JSON; characters that TOML or YAML want escaped are."""
    return _UNPRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(value, ensure_ascii=False))


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) and not name.isdigit() else _quoted(name)


def _toml(entries: Iterable[Entry]) -> Iterator[str]:
    yield f"format_version = {NEWEST_FORMAT}\n"
    none = True
    for said in entries:
        none = False
        yield "\n[[services]]\n"
        yield from (f"{key} = {_quoted(value)}\n" for key, value in said.items() if key not in TABLES)
        for table in (key for key in TABLES if key in said):
            yield f"[services.{table}]\n"
            yield from (f"{_key(name)} = {_quoted(value)}\n" for name, value in _pairs(said[table]))
    if none:
        yield "services = []\n"


def _yaml(entries: Iterable[Entry]) -> Iterator[str]:
    yield f"format_version: {NEWEST_FORMAT}\nservices:"
    none = True
    for said in entries:
        none = False
        lead = "\n  - "
        for key, value in said.items():
            yield f"{lead}{key}:" + ("" if key in TABLES else f" {_quoted(value)}")
            yield from (f"\n      {_quoted(name)}: {_quoted(text)}" for name, text in (_pairs(value) if key in TABLES else ()))
            lead = "\n    "
    yield " []\n" if none else "\n"


def _json(entries: Iterable[Entry]) -> Iterator[str]:
    yield f'{{"format_version": {NEWEST_FORMAT}, "services": ['
    between = "\n"
    for said in entries:
        yield f"{between}{_quoted(said)}"
        between = ",\n"
    yield "\n]}\n"


def _csv(entries: Iterable[Entry]) -> Iterator[str]:
    """Columns are those that some service needs; what a plain cell cannot say stands in a column of its own, as JSON."""
    rows = [dict(_cell(key, value) for key, value in said.items()) for said in entries]
    used = {name for row in rows for name in row}
    columns = [name for key in KEYS for name in (key, key + AS_JSON) if name in used or name in ALWAYS]
    text = StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow(row)
        yield text.getvalue()
        text.seek(0)
        text.truncate()
    yield text.getvalue()


def _cell(key: str, value: object) -> tuple[str, str]:
    if key in LISTS and isinstance(value, (list, tuple)):
        plain = " ".join(value)
        fits = plain.split() == list(value)
    else:
        plain = str(value).lower() if isinstance(value, bool) else str(value)
        fits = not isinstance(value, (list, tuple, dict)) and plain.strip() == plain != "" and "\r" not in plain
    return (key, plain) if fits else (key + AS_JSON, _quoted(value))


def _pairs(table: object) -> Iterable[tuple[str, str]]:
    return table.items() if isinstance(table, Mapping) else ()
