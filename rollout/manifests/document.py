"""One file as plain values, in whichever of the formats it is written, with the line of each place in it."""

import json
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from io import StringIO
from pathlib import Path

from rollout.manifests import jsonc
from rollout.manifests.problem import FileProblemError

Place = Sequence[str | int]
SPARE = 100_000
LARGEST = 512 * 1024 * 1024
_TOML_LINE = re.compile(r" \(at line (\d+), column \d+\)$")
_TOML_TWICE = ("Cannot overwrite", "Cannot declare")
_TOML_END = " (at end of document)"
_TOML_HEADER = re.compile(r"\s*\[\s*([^\[\]]+?)\s*\]")
_TOML_KEY = re.compile(r"\s*([\w-]+|\"[^\"]*\"|'[^']*')\s*=")


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed file. `line_of(("deploy", "runtime"))`: the line of that place, or of the nearest place around it."""

    value: object
    line_of: Callable[[Place], int | None]

    @property
    def table(self) -> Mapping[str, object]:
        """The top level as a table; empty where it is something else."""
        return self.value if isinstance(self.value, dict) else {}


def read_bytes(path: Path) -> bytes:
    """The content of a regular file. FileProblemError where it cannot be read, says why."""
    try:
        if path.stat().st_size > LARGEST:
            raise FileProblemError(f"larger than {LARGEST // 1024**2} MiB")
        return path.read_bytes()
    except OSError as error:
        raise FileProblemError(f"cannot be read: {error.strerror}") from error


def parse(content: bytes, suffix: str) -> Document:
    """The file as values. FileProblemError with the line where it does not parse, or has a key twice."""
    return {".json": _json, ".jsonc": _json, ".toml": _toml, ".yaml": _yaml, ".yml": _yaml}[suffix](content)


SUFFIXES = (".json", ".jsonc", ".toml", ".yaml", ".yml")


def _json(content: bytes) -> Document:
    try:
        value = json.loads(jsonc.decode(content), object_pairs_hook=_unique, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return _jsonc(jsonc.parse(content))
    located = cache(lambda: _jsonc(jsonc.parse(content)))  # read with its lines only when one is asked for, and once
    return Document(value, lambda place: located().line_of(place))


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    table = dict(pairs)
    if len(table) < len(pairs):
        raise ValueError("duplicate key")
    return table


def _no_constant(text: str) -> object:
    raise ValueError(f"{text} is not JSON")


def _jsonc(root: jsonc.Node) -> Document:
    def line_of(place: Place) -> int | None:
        node, line = root, root.line
        for step in place:
            if isinstance(step, str) and step in node.members:
                line, node = node.members[step].line, node.members[step].node
            elif isinstance(step, int) and step < len(node.items):
                node = node.items[step]
                line = node.line
            else:
                break
        return line

    return Document(root.value, line_of)


def _toml(content: bytes) -> Document:
    text = jsonc.decode(content)
    try:
        value = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = _TOML_LINE.search(str(error))
        line = int(found.group(1)) if found else text.rstrip().count("\n") + 1
        reason = _TOML_LINE.sub("", str(error)).removesuffix(_TOML_END)
        raise FileProblemError((reason.startswith(_TOML_TWICE) and _twice(text, line)) or reason, line) from error
    except RecursionError as error:
        raise FileProblemError("nested too deeply") from error
    return Document(value, lambda place: _toml_line(text, place))


def _twice(text: str, number: int) -> str:
    """What the line says a second time, with the line where it stands first; empty where it repeats nothing."""
    lines = text.split("\n")[:number]
    table = max((at for at, line in enumerate(lines[:-1]) if line.lstrip().startswith("[")), default=-1)
    for pattern, begin in ((_TOML_HEADER, 0), (_TOML_KEY, table + 1)):
        found = [(at, match[1]) for at, line in enumerate(lines[begin:], begin + 1) if (match := pattern.match(line))]
        same = [at for at, said in found if found[-1] == (number, said)]
        if len(same) > 1:
            what = "duplicate table" if pattern is _TOML_HEADER else "duplicate key"
            return f"{what} {found[-1][1]!r}, first on line {same[0]}"
    return ""


def _toml_line(text: str, place: Place) -> int | None:
    """The line of a key as TOML is usually written: below `[table]` or `[[table]]`. Else that of the table, or none."""
    names = [step for step in place if isinstance(step, str)]
    nth = next((step for step in place if isinstance(step, int)), 0)
    lines = text.split("\n")
    if len(names) == 1 and not any(isinstance(step, int) for step in place):
        return _key_line(lines, 0, names[0])
    for depth in range(len(names), 0, -1):
        header = re.compile(r"\s*\[{1,2}\s*" + r"\s*\.\s*".join(_quoted(n) for n in names[:depth]) + r"\s*\]{1,2}")
        at = [number for number, line in enumerate(lines, 1) if header.match(line)]
        if len(at) > nth:
            below = _key_line(lines, at[nth], names[depth]) if depth < len(names) else None
            return below or at[nth]
    return None


def _key_line(lines: Sequence[str], begin: int, key: str) -> int | None:
    wanted = re.compile(rf"\s*{_quoted(key)}\s*[=.]")
    for number, line in enumerate(lines[begin:], begin + 1):
        if wanted.match(line):
            return number
        if line.lstrip().startswith("["):
            return None
    return None


def _quoted(name: str) -> str:
    return rf"""["']?{re.escape(name)}["']?"""


def _yaml(content: bytes) -> Document:
    # Loaded here: only a fleet in YAML pays for it.
    from ruamel.yaml import YAML  # noqa: PLC0415
    from ruamel.yaml.error import MarkedYAMLError, YAMLError  # noqa: PLC0415

    text = jsonc.decode(content)
    try:
        root = YAML(typ="rt").load(StringIO(text))
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        reason = (error.problem or error.context or "not YAML").strip().splitlines()[0]
        reason = reason.partition(" with value ")[0]  # which may be a secret
        raise FileProblemError(reason, mark.line + 1 if mark else None) from error
    except (YAMLError, RecursionError, ValueError) as error:
        reason = next(iter(str(error).strip().splitlines()), "nested too deeply")
        raise FileProblemError(f"not YAML: {reason}") from error
    return Document(_plain(root, _Budget(SPARE + len(content))), lambda place: _yaml_line(root, place))


@dataclass(slots=True)
class _Budget:
    """Aliases can make a small file enormous: so many values and no more. Without them a file has fewer values than bytes."""

    left: int


def _plain(value: object, budget: _Budget) -> object:
    budget.left -= 1
    if budget.left < 0:
        raise FileProblemError("its aliases expand to too many values")
    if isinstance(value, Mapping):
        return {str(key): _plain(item, budget) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item, budget) for item in value]
    if isinstance(value, bool) or value is None:
        return value
    return next((kind(value) for kind in (int, float, str) if isinstance(value, kind)), value)


def _yaml_line(root: object, place: Place) -> int | None:
    node, line = root, None
    for step in place:
        if not isinstance(node, (dict, list)) or not hasattr(node, "lc"):
            break
        known = step in node if isinstance(node, dict) else isinstance(step, int) and step < len(node)
        if not known:
            break
        at = (node.lc.data or {}).get(step) if isinstance(node, dict) else node.lc.data[step]  # none where it was merged in
        line = at[0] + 1 if at else line
        node = node[step]  # type: ignore[index]  # a table by its key, a list by its number: looked at just above
    return line
