"""What is left of a home on this machine although nothing wants it: a value that is told and removed alike."""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What a leftover is."""

    CONTAINER = "container"
    SANDBOX = "sandbox"
    PROCESS = "process"
    TUNNEL = "tunnel"
    NAMESPACE = "namespace"
    RULES = "rules"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Leftover:
    """`name`: what it is called on the machine. `told`: whose it was, or where it is."""

    kind: Kind
    name: str
    told: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """`held`: instances that the host part has records of. `placed`: tokens under which the store wants services to run."""

    held: Collection[str]
    placed: Collection[str] = ()

    @property
    def nothing(self) -> bool:
        """Nothing of the home is to run."""
        return not self.held and not self.placed

    def wants(self, instance: str) -> bool:
        """It is in the records, or a command that brings services back would take it as it is."""
        return instance in self.held or instance.rpartition(".")[0] in self.placed
