"""Text that fits: cut by the cells it takes, without control characters, and in plain ASCII where the terminal knows no more."""

import os
from collections.abc import Mapping
from dataclasses import dataclass

from rich.cells import cell_len, chop_cells, set_cell_size

PLAIN = str.maketrans({"·": "-", "→": "->", "…": "...", "█": "#", "░": ".", "–": "-", "’": "'"})
C_LOCALES = frozenset({"", "C", "POSIX"})


@dataclass(frozen=True, slots=True)
class Glyphs:
    """Which characters the terminal shows."""

    unicode: bool = True

    @property
    def more(self) -> str:
        """Stands where text was cut off."""
        return "…" if self.unicode else "..."

    def bar(self, done: int, of: int, width: int) -> str:
        """A bar of `width` cells; it is full only when all is done."""
        full = min(width, done * width // of) if of else 0
        return self.safe("█" * full + "░" * (width - full))

    def safe(self, text: str) -> str:
        """The text in one line that a terminal can show."""
        shown = "".join(sign if sign.isprintable() else " " for sign in text)
        return shown if self.unicode else shown.translate(PLAIN).encode("ascii", "replace").decode()

    def fit(self, text: str, width: int) -> str:
        """The text in at most `width` cells."""
        shown = self.safe(text)
        if cell_len(shown) <= width:
            return shown
        room = width - cell_len(self.more)
        return set_cell_size(shown, room).rstrip() + self.more if room > 0 else set_cell_size(shown, max(0, width))

    def middle(self, text: str, width: int) -> str:
        """The same, but what is cut off stands in the middle: names differ at their ends."""
        shown, room = self.safe(text), width - len(self.more)
        if len(shown) <= width or room < 6 or cell_len(shown) != len(shown):
            return self.fit(text, width)
        first = room // 3
        return shown[:first] + self.more + shown[first - room :]

    def fill(self, text: str, width: int) -> str:
        """The text in exactly `width` cells."""
        return set_cell_size(self.fit(text, width), max(0, width))

    def wrap(self, text: str, width: int, most: int) -> list[str]:
        """The text in at most `most` lines, broken between words where that is possible."""
        lines = [""]
        for word in self.safe(text).split():
            for part in chop_cells(word, max(1, width)):
                longer = f"{lines[-1]} {part}".strip()
                if cell_len(longer) <= width:
                    lines[-1] = longer
                else:
                    lines.append(part)
        if len(lines) <= most:
            return lines
        return [*lines[: most - 1], self.fit(" ".join(lines[most - 1 :]), width)]


UNICODE = Glyphs()


def glyphs(environment: Mapping[str, str] | None = None) -> Glyphs:
    """What the locale says. In the C locale Python itself writes UTF-8, but the terminal does not know that."""
    known = os.environ if environment is None else environment
    lang = known.get("LANG", "")
    ctype = known.get("LC_CTYPE", "")
    coerced = ctype == "C.UTF-8" and lang in C_LOCALES  # Python sets that by itself in the C locale
    locale = known.get("LC_ALL") or (lang if coerced else ctype or lang)
    return Glyphs(unicode="UTF" in locale.upper())
