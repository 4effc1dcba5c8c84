"""Files of `NAME=value` lines, as `--env-file` names them."""

import re
from pathlib import Path

from rollout.errors import UsageError
from rollout.manifests.document import read_bytes
from rollout.manifests.jsonc import decode
from rollout.manifests.problem import FileProblemError, Problem

_LINE = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*)")
_QUOTED = re.compile(r"""(["'])(.*)\1(?:\s+#.*)?""")
_REMARK = re.compile(r"\s+#.*")


def read(path: Path) -> dict[str, str]:
    """The variables of the file; a later line wins. Quotes around a value are dropped, nothing in it is filled in.

    UsageError with file, line and reason (never the line's text) where it does not fit.
    """
    try:
        lines = decode(read_bytes(path)).splitlines()
        return dict(_pair(line.strip(), number) for number, line in enumerate(lines, 1) if _says_something(line))
    except FileProblemError as error:
        told = Problem(file=path, line=error.line, reason=error.reason)
        raise UsageError(f"env file {told}", then="correct the file, or name another one") from error


def _says_something(line: str) -> bool:
    return bool(line.strip()) and not line.lstrip().startswith("#")


def _pair(line: str, number: int) -> tuple[str, str]:
    match = _LINE.fullmatch(line)
    if match is None:
        raise FileProblemError("expected NAME=value", number)
    name, value = match.groups()
    if quoted := _QUOTED.fullmatch(value):
        return name, quoted.group(2)
    return name, _REMARK.sub("", value)
