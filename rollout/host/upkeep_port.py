"""What is asked of the host part by those who stand above every driver."""

from collections.abc import Sequence
from typing import Protocol

from rollout.host.known import Known, Note


class Upkeep(Protocol):
    """What `up` and `revert --without-store` ask of the host part, without a fence: they stand above every driver."""

    def bring_back(self) -> Sequence[str]:
        """All that should run runs, the edge and the names say what they should.

        Ids of the instances that were started for that, now or by itself since the last call. PartialError: what could not be.
        """

    def known(self) -> Sequence[Known]:
        """Every service that the host part has a record of."""

    def look_at_ports(self, service: str) -> None:
        """Names and edge lead where the followed copies of the service listen now."""

    def set_egress(self, environment: str, *, egress: bool) -> None:
        """The environment's instances on this host may reach the outside from now on, or may not; kept over a restart.

        BrokenError when it cannot be done for all of them; it is tried again by itself.
        """

    def lead_back(self, service: str, actor: str, at: str) -> Note:
        """All traffic goes to legacy, whose health was proven; nothing was stopped; noted, also on a full disk.

        Drivers are refused (FencedError) for the service until `forget_note`. BrokenError, with nothing changed, when no copy
        on legacy is well.
        """

    def notes(self) -> Sequence[Note]:
        """What the store has not taken over yet."""

    def forget_note(self, service: str) -> None:
        """The store has taken it over: drivers may act again. Idempotent."""
