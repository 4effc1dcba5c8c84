"""`$NAME` and `${NAME:-default}` in the values of a Compose file, filled in as Compose does.

The environment of whoever imports comes first, then the file `.env` beside the Compose file. One thing is stricter: Compose
puts nothing in the place of a variable that is not set and has no default; here that is an error, since nothing is guessed.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rollout.errors import UsageError
from rollout.manifests import env_file
from rollout.manifests.problem import FileProblemError

BESIDE = ".env"
_BRACED = r"\{(?P<name>[A-Za-z_]\w*)(?:\}|(?P<how>:?[-?+]))"
_FOUND = re.compile(rf"\$(?:(?P<dollar>\$)|(?P<plain>[A-Za-z_]\w*)|{_BRACED}|(?P<bad>\{{))", re.A)


@dataclass(slots=True)
class Variables:
    """What fills in the variables of one Compose file. `told`: how each was filled in; never a value."""

    folder: Path
    environ: Mapping[str, str]
    told: dict[str, None] = field(default_factory=dict)
    _beside: Mapping[str, str] | None = None

    def value(self, name: str) -> str | None:
        """The value of a variable, and a note of where it came from; None where it is not set."""
        if name in self.environ:
            self.told[f"${{{name}}} filled in from the environment"] = None
            return self.environ[name]
        value = self._from_file().get(name)
        if value is not None:
            self.told[f"${{{name}}} filled in from {BESIDE}"] = None
        return value

    def fill(self, text: str, *, blank: bool = False) -> str:
        """The text with every variable filled in; `$$` is a dollar. ValueError where one is not set, or is written wrong.

        `blank`: one that is not set is nothing.
        """
        parts, at = [], 0
        while found := _FOUND.search(text, at):
            parts.append(text[at : found.start()])
            at = found.end()
            if found["bad"]:
                raise ValueError("has a ${…} that Compose does not know")
            if found["how"]:
                end = _closing(text, at)
                parts.append(self._chosen(found["name"], found["how"], text[at:end]))
                at = end + 1
            else:
                parts.append("$" if found["dollar"] else self._needed(found["plain"] or found["name"], blank))
        return "".join([*parts, text[at:]])

    def _needed(self, name: str, blank: bool) -> str:
        value = self.value(name)
        if value is None and not blank:
            where = f"in {BESIDE} beside the file, or in the environment"
            raise ValueError(f"${{{name}}} is not set and has no default: set it {where}")
        return value or ""

    def _chosen(self, name: str, how: str, word: str) -> str:
        """`:-` default, `:?` required, `:+` in its place; with the colon an empty value counts as not set."""
        value = self.value(name)
        there = bool(value) if how.startswith(":") else value is not None
        if how.endswith("+"):
            return self.fill(word) if there else ""
        if there and value is not None:
            return value
        if how.endswith("?"):
            raise ValueError(f"${{{name}}} must be set" + (f": {word}" if word else ""))
        self.told[f"${{{name}}} is not set, its default was taken"] = None
        return self.fill(word)

    def _from_file(self) -> Mapping[str, str]:
        if self._beside is None:
            path = self.folder / BESIDE
            try:
                self._beside = env_file.read(path) if path.is_file() else {}
            except UsageError as error:
                raise FileProblemError(error.what) from error
        return self._beside


def _closing(text: str, begin: int) -> int:
    """Where the brace that was opened before `begin` closes; braces in between are counted."""
    depth = 1
    for at in range(begin, len(text)):
        depth += (text[at] == "{") - (text[at] == "}")
        if depth == 0:
            return at
    raise ValueError("has a ${ that is not closed")
