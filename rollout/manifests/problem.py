"""What is wrong with a file that somebody wrote: file, line, reason."""

from dataclasses import dataclass
from pathlib import Path


class FileProblemError(Exception):
    """A file cannot be read as what it is. Collected, never shown as it is; `line` counts from 1, None where unknown."""

    def __init__(self, reason: str, line: int | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.line = line


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One bad file, or one bad place in it. The text never holds a value of env."""

    file: Path
    line: int | None
    reason: str

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line else f"{self.file}"
        return f"{where}: {self.reason}"
