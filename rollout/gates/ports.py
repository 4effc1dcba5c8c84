"""What a gate reads. The edge fulfils it structurally; neither imports the other."""

from datetime import datetime
from typing import Protocol

from rollout.model.fleet import RuntimeName
from rollout.model.sample import Sample


class Samples(Protocol):
    """The edge as an instrument. OSError or BrokenError when it cannot be read: the verdict is then `error`."""

    def read(self, service: str, since: datetime) -> dict[RuntimeName, Sample]:
        """What the edge saw since then, per runtime; a runtime without requests is there with zeros."""
