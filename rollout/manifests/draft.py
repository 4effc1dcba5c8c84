"""What one file says of one service, before names, customer and tier are settled; and what the caller gives for all."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rollout.model.fleet import Kind, RuntimeName, Service, Tier

ENVIRONMENT = "production"


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What holds for services whose file says nothing of it (from the command line, or a mapping file)."""

    name: str | None = None
    environment: str | None = None
    customer: str | None = None
    tier: Tier | None = None
    kind: Kind | None = None

    def over(self, other: "Given") -> "Given":
        """This one, and what it leaves open from `other`."""
        return Given(
            name=self.name or other.name,
            environment=self.environment or other.environment,
            customer=self.customer or other.customer,
            tier=self.tier or other.tier,
            kind=self.kind or other.kind,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """`values` are fields of a service. `silent`: fields that this kind of file cannot tell; they stay as they are.

    `locate` finds its line. It is called only to tell it: finding a line may mean reading the whole file again.

    `runtime_key`: the place that names the runtime, dotted.
    `kept_env`: variables whose values the file does not tell; they stay as they are.

    `kept`: keys kept as labels, without effect. `left_out`: keys that were not taken over. Both as dotted names.
    `notes`: how it was read, where that could be read otherwise.
    """

    file: Path
    locate: Callable[[], int | None] = lambda: None
    values: Mapping[str, object] = field(default_factory=dict)
    runtime: RuntimeName | None = None
    runtime_key: str = ""
    silent: tuple[str, ...] = ()
    kept_env: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def line(self) -> int | None:
        """Its line in the file, from 1; None where that is the whole file, or not known."""
        return self.locate()


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One service as its file describes it, complete."""

    service: Service
    draft: Draft

    @property
    def where(self) -> str:
        """File, and line where it is known."""
        line = self.draft.line
        return f"{self.draft.file}:{line}" if line else str(self.draft.file)
