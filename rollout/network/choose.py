"""Which of the ports that a program listens on is the service's: the table of DESIGN section 5, as one pure function."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rollout.host.ports import Listener

Answers = Callable[[int], bool]
"""Asks the health path of a port; True for a good answer. None where the service has no health path."""

MAPPED = "::ffff:"
ANY = ("0.0.0.0", "::", "*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is known beforehand. `declared`: the service's fixed number; `given`: what we put into PORT.

    `reached_from_outside`: the program sits in a network of its own (a container), where loopback cannot be reached.
    """

    given: int
    declared: int | None = None
    reached_from_outside: bool = False

    @property
    def expected(self) -> int:
        """The port that the program should listen on."""
        return self.declared or self.given

    @property
    def told(self) -> str:
        """`declared 8080` or `given PORT 41234`."""
        return f"declared {self.declared}" if self.declared else f"given PORT {self.given}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A port with a note for people, or the problem that keeps us from having one. `settled`: looking again is no use."""

    port: int | None = None
    note: str = ""
    problem: str = ""
    settled: bool = False


def choose(listeners: Sequence[Listener], wanted: Wanted, answers: Answers | None) -> Choice:
    """The port to use now, or what is wrong so far."""
    reachable = [found for found in listeners if _reachable(found, wanted)]
    ports = sorted({found.port for found in reachable})
    if wanted.expected in ports:
        return Choice(port=wanted.expected, note=wanted.told, settled=True)
    if not ports:
        return Choice(problem=_nothing(listeners, wanted))
    if len(ports) == 1:
        return Choice(port=ports[0], note=f"found {ports[0]}, {wanted.told}")
    return _among(ports, wanted, answers)


def _among(ports: Sequence[int], wanted: Wanted, answers: Answers | None) -> Choice:
    listed = ", ".join(map(str, ports))
    answering = [port for port in ports if answers(port)] if answers else []
    if len(answering) == 1:
        return Choice(port=answering[0], note=f"found {listed}; {answering[0]} answers the health path; {wanted.told}")
    return Choice(problem=f"several ports: {listed}; set one")


def _nothing(listeners: Sequence[Listener], wanted: Wanted) -> str:
    if not listeners:
        return f"it listens on no port ({wanted.told})"
    seen = ", ".join(sorted({f"{found.address}:{found.port}" for found in listeners}))
    if wanted.reached_from_outside:
        return f"it listens only on {seen}: make it listen on [::] (HOST=::)"
    return f"it listens only on {seen}: make it listen on 127.0.0.1 or 0.0.0.0 (HOST says which)"


def _reachable(found: Listener, wanted: Wanted) -> bool:
    """Can what leads to the service reach this socket? Plain processes are reached over IPv4 loopback, containers over IPv6."""
    if wanted.reached_from_outside:
        return not found.loopback and ":" in found.address and not found.address.startswith(MAPPED)
    address = found.address.removeprefix(MAPPED)
    return address in ANY or (":" not in address and found.loopback)
