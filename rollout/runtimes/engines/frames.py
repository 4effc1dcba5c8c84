"""The log of a container as engines send it: frames of eight bytes and what was written."""

from dataclasses import dataclass, field

HEAD = 8


def lines(content: bytes) -> list[str]:
    """What was written, to both outputs, in the order in which the engine sends it."""
    frames = Frames()
    return [*frames.lines(content), *frames.rest()]


@dataclass(slots=True)
class Frames:
    """Frames that come piece by piece."""

    _content: bytes = b""
    _written: dict[int, bytearray] = field(default_factory=dict)

    def lines(self, chunk: bytes) -> list[str]:
        """The lines that this piece completes."""
        content, at = self._content + chunk, 0
        found: list[str] = []
        while (end := at + HEAD + int.from_bytes(content[at + 4 : at + HEAD], "big")) <= len(content) and at + HEAD <= len(
            content
        ):
            written = self._written.setdefault(content[at], bytearray())
            written += content[at + HEAD : end]
            *whole, rest = written.split(b"\n")
            written[:] = rest
            found += [bytes(line).decode(errors="replace") for line in whole]
            at = end
        self._content = content[at:]
        return found

    def rest(self) -> list[str]:
        """What was written without an end of the line."""
        return [bytes(text).decode(errors="replace") for text in self._written.values() if text]
