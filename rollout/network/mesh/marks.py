"""What a home's things on the machine are called: two homes never collide, and what is left over can be found."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

NAMESPACES = Path("/run/netns")
DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
LONGEST_LINK = 15


@dataclass(frozen=True, slots=True)
class Mark:
    """`text`: six hexadecimal digits of the home's folder."""

    text: str

    @property
    def links(self) -> str:
        """How the names of all links (and control sockets of tunnels) of the home begin."""
        return f"ro{self.text}"

    @property
    def namespaces(self) -> str:
        """How the names of all its network namespaces begin."""
        return f"rollout-{self.text}-"

    def member_link(self, number: int) -> str:
        """Link of an instance's tunnel, as long as it has not been moved."""
        return f"{self.links}{_short(number)}"

    def hub_link(self, environment: int) -> str:
        """Link of an environment's hub. No instance's: those have no dash."""
        return f"{self.links}-{_short(environment)}"

    @property
    def outlets(self) -> str:
        """How the names of all links to the outside begin."""
        return f"{self.links}_"

    def outlet_link(self, environment: int) -> str:
        """The host's end of the way out of an environment's room."""
        return f"{self.outlets}{_short(environment)}"

    def member_path(self, number: int) -> str:
        """Network namespace of an instance."""
        return f"{NAMESPACES}/{self.namespaces}{number}"

    def room_path(self, environment: int, generation: int) -> str:
        """Network namespace of an environment's room; another one for each generation."""
        return f"{NAMESPACES}/{self.namespaces}room{environment}.{generation}"


def mark_of(folder: Path) -> Mark:
    """The mark of the home with this folder."""
    return Mark(hashlib.sha256(bytes(folder.resolve())).hexdigest()[:6])


def _short(number: int) -> str:
    text = ""
    while number:
        number, digit = divmod(number, len(DIGITS))
        text = DIGITS[digit] + text
    return text or "0"
