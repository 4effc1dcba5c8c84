"""A Compose file while it is read: what stands where, with its variables filled in, and what is to be told of it."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from rollout.manifests import fields
from rollout.manifests.document import Document, Place
from rollout.manifests.interpolation import Variables
from rollout.manifests.problem import FileProblemError

ANY = "services.*."
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Source:
    """A Compose file, and what fills in its variables."""

    document: Document
    file: Path
    variables: Variables

    def unfit(self, place: Place, reason: str) -> FileProblemError:
        """What does not fit there, with its line."""
        told = ".".join(str(step) for step in (place[1:] if place[0] == "services" and len(place) > 1 else place))
        return FileProblemError(f"{told}: {reason}", self.document.line_of(place))

    def at(self, place: Place) -> object:
        """The value that stands there as it is written; None where there is none."""
        value: object = self.document.value
        for step in place:
            value = value.get(str(step)) if isinstance(value, dict) else None
        return value

    def filled(self, place: Place, *, blank: bool = False) -> object:
        """The value that stands there, with its variables filled in. FileProblemError where one is not known.

        `blank`: one that is not known is nothing, as in Compose.
        """
        return self._filled(self.at(place), place, blank)

    def text(self, place: Place) -> str:
        """The text that stands there, its variables filled in."""
        return str(self.read(place, fields.text))

    def read(self, place: Place, reader: fields.Reader) -> object:
        """What `reader` makes of it. FileProblemError with the line where it does not fit."""
        value = self.filled(place)
        try:
            return reader(value)
        except ValueError as error:
            raise self.unfit(place, str(error)) from error

    def _filled(self, value: object, place: Place, blank: bool) -> object:
        if isinstance(value, dict):
            return {key: self._filled(item, (*place, key), blank) for key, item in value.items()}
        if isinstance(value, list):
            return [self._filled(item, (*place, number), blank) for number, item in enumerate(value)]
        try:
            return self.variables.fill(value, blank=blank) if isinstance(value, str) else value
        except ValueError as error:
            raise self.unfit(place, str(error)) from error
        except FileProblemError as error:
            raise self.unfit(place, error.reason) from error
        except RecursionError as error:
            raise self.unfit(place, "has variables nested too deeply") from error


@dataclass(slots=True)
class Reading:
    """One service while it is read: its fields, keys that are not taken over, and notes of how it was read."""

    source: Source
    name: str
    entry: Mapping[str, object]
    values: dict[str, object] = field(default_factory=dict)
    left_out: dict[str, None] = field(default_factory=dict)
    notes: dict[str, None] = field(default_factory=dict)

    def place(self, *steps: str | int) -> Place:
        """Where a key of the service, or something in it, stands."""
        return ("services", self.name, *steps)

    def has(self, key: str) -> bool:
        """Whether the key says something."""
        return self.entry.get(key) is not None

    def leave(self, key: str) -> None:
        """The key is not taken over."""
        self.left_out[ANY + key] = None

    def note(self, text: str) -> None:
        """It was read so, where that could be read otherwise."""
        self.notes[text] = None

    def items(self, key: str, *, blank: bool = False) -> Iterator[tuple[Place, object]]:
        """The entries of a list, each with its place, variables filled in."""
        listed = self.source.filled(self.place(key), blank=blank)
        if not isinstance(listed, list):
            raise self.source.unfit(self.place(key), f"must be a list, not {fields.told(listed)}")
        yield from ((self.place(key, number), item) for number, item in enumerate(listed))

    def each(self, key: str, read: Callable[[object], R], *, blank: bool = False) -> Iterator[R]:
        """What `read` makes of each entry of a list that may not be there."""
        for place, item in self.items(key, blank=blank) if self.has(key) else ():
            try:
                yield read(item)
            except ValueError as error:
                raise self.source.unfit(place, str(error)) from error

    def table(self, key: str) -> Mapping[str, object]:
        """The table that stands there; empty where there is none."""
        if not self.has(key):
            return {}
        value = self.entry[key]
        if not isinstance(value, dict):
            raise self.source.unfit(self.place(key), f"must be a table, not {fields.told(value)}")
        return value


def scalar(value: object) -> str:
    """A number, a text or a truth value as people mean it; empty for nothing. ValueError for anything else."""
    return fields.pairs({"": value})[""] if value is not None else ""
