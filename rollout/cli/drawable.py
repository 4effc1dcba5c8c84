"""Whether something can be drawn over, in place of line after line."""

import os
from typing import TextIO


def can_be_drawn_on(stream: TextIO) -> bool:
    """The stream is a terminal that can move its cursor."""
    return stream.isatty() and os.environ.get("TERM", "dumb") not in {"dumb", "unknown", ""}
