"""JSON as people write it: comments, trailing commas, a BOM. Every value with its span of bytes and its line.

The spans let a key be cut out of a file later with every other byte as it was. Duplicate keys are refused with their line.
"""

import json
import re
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field

from rollout.manifests.problem import FileProblemError

BOM = b"\xef\xbb\xbf"
DEEPEST = 100
_BLANK = re.compile(r"(?:[ \t\r\n]|//[^\n]*|/\*[\s\S]*?\*/)*")
_STRING = re.compile(r'"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"')
_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w.])")
_WORD = re.compile(r"(true|false|null)(?!\w)")
_WORDS = {"true": True, "false": False, "null": None}


@dataclass(frozen=True, slots=True)
class Node:
    """One value: bytes `start` to `end` of the file, and its line. Of an object `members`, of an array `items` are set."""

    start: int
    end: int
    line: int
    value: object
    members: Mapping[str, "Member"] = field(default_factory=dict)
    items: tuple["Node", ...] = ()


@dataclass(frozen=True, slots=True)
class Member:
    """One `"key": value` of an object: where its key begins and stands, and its value."""

    start: int
    line: int
    node: Node


def parse(content: bytes) -> Node:
    """The one value of the file. FileProblemError with the line where it is not JSON with comments in UTF-8."""
    decode(content)
    scan = _Scan(content)
    node = scan.value(scan.blank(len(BOM) if content.startswith(BOM) else 0), 0)
    rest = scan.blank(node.end)
    if rest < len(content):
        raise scan.problem("expected the end of the file", rest)
    return node


def decode(content: bytes) -> str:
    """The file as text, without a BOM. FileProblemError with the line of the first byte that is not UTF-8."""
    try:
        return content.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise FileProblemError(f"not UTF-8 (byte {content[error.start]:#04x})", line) from error


class _Scan:
    """One pass over the bytes; each is one character here, so that positions are positions in the file."""

    def __init__(self, content: bytes) -> None:
        self.text = content.decode("latin-1")
        self.breaks = [match.start() for match in re.finditer("\n", self.text)]

    def line(self, at: int) -> int:
        return bisect_right(self.breaks, at - 1) + 1

    def problem(self, reason: str, at: int) -> FileProblemError:
        found = "the file ends" if at >= len(self.text) else f"found {self.text[at]!r}" if self.text[at].isascii() else ""
        return FileProblemError(f"{reason}; {found}".removesuffix("; "), self.line(at))

    def blank(self, at: int) -> int:
        match = _BLANK.match(self.text, at)
        end = match.end() if match else at
        if self.text.startswith("/*", end):
            raise self.problem("a comment is not closed", end)
        return end

    def value(self, at: int, depth: int) -> Node:
        if depth > DEEPEST:
            raise self.problem(f"nested deeper than {DEEPEST}", at)
        if self.text.startswith("{", at):
            return self._object(at, depth)
        if self.text.startswith("[", at):
            return self._array(at, depth)
        if match := _WORD.match(self.text, at):
            return Node(at, match.end(), self.line(at), _WORDS[match.group(1)])
        if match := _NUMBER.match(self.text, at):
            return Node(at, match.end(), self.line(at), self._number(match.group(), at))
        if self.text.startswith('"', at):
            text, end = self._string(at)
            return Node(at, end, self.line(at), text)
        raise self.problem("expected a value", at)

    def _string(self, at: int) -> tuple[str, int]:
        match = _STRING.match(self.text, at)
        if match is None:
            raise self.problem("a string is not closed, or holds a line break or a wrong escape", at)
        return json.loads(match.group().encode("latin-1").decode("utf-8")), match.end()

    def _number(self, text: str, at: int) -> int | float:
        try:
            number: int | float = json.loads(text)
        except ValueError as error:
            raise self.problem("a number has too many digits", at) from error
        if number in (float("inf"), float("-inf")):
            raise self.problem("a number is too large", at)
        return number

    def _object(self, start: int, depth: int) -> Node:
        members: dict[str, Member] = {}
        at = self.blank(start + 1)
        while not self.text.startswith("}", at):
            if not self.text.startswith('"', at):
                raise self.problem("expected a key in double quotes or }", at)
            key, end = self._string(at)
            if key in members:
                raise FileProblemError(f"duplicate key {key!r}, first on line {members[key].line}", self.line(at))
            colon = self.blank(end)
            if not self.text.startswith(":", colon):
                raise self.problem(f"expected : after the key {key!r}", colon)
            node = self.value(self.blank(colon + 1), depth + 1)
            members[key] = Member(at, self.line(at), node)
            at = self._after(node.end, "}")
        value = {key: member.node.value for key, member in members.items()}
        return Node(start, at + 1, self.line(start), value, members=members)

    def _array(self, start: int, depth: int) -> Node:
        items: list[Node] = []
        at = self.blank(start + 1)
        while not self.text.startswith("]", at):
            items.append(self.value(at, depth + 1))
            at = self._after(items[-1].end, "]")
        return Node(start, at + 1, self.line(start), [item.value for item in items], items=tuple(items))

    def _after(self, end: int, closing: str) -> int:
        """Where the next item or `closing` stands; one comma may stand before either."""
        at = self.blank(end)
        if self.text.startswith(",", at):
            return self.blank(at + 1)
        if self.text.startswith(closing, at):
            return at
        raise self.problem(f"expected , or {closing}", at)
