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

    `reached_from_outside`: the program is in a network of its own, where loopback cannot be reached.
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
    """A port with a note for people, or the problem that keeps us from having one. `settled`: looking again is no use.

    `stuck`: the program has done what it was told, only not for others; where that stays so, waiting for more is no use.
    """

    port: int | None = None
    note: str = ""
    problem: str = ""
    settled: bool = False
    stuck: bool = False


def choose(listeners: Sequence[Listener], wanted: Wanted, answers: Answers | None) -> Choice:
    """The port to use now, or what is wrong so far."""
    reachable = [found for found in listeners if _reachable(found, wanted)]
    ports = sorted({found.port for found in reachable})
    if wanted.expected in ports:
        return Choice(port=wanted.expected, note=wanted.told, settled=True)
    if not ports:
        return Choice(problem=_nothing(listeners, wanted), stuck=wanted.expected in {found.port for found in listeners})
    if len(ports) == 1:
        return Choice(port=ports[0], note=f"found {ports[0]}, {wanted.told}")
    return _among(ports, wanted, answers)


def _among(ports: Sequence[int], wanted: Wanted, answers: Answers | None) -> Choice:
    listed = ", ".join(map(str, ports))
    answering = [port for port in ports if answers(port)] if answers else []
    if len(answering) == 1:
        return Choice(port=answering[0], note=f"found {listed}; {answering[0]} answers the health path; {wanted.told}")
    return Choice(problem=f"several ports: {listed}; set one (--port N)")


def _nothing(listeners: Sequence[Listener], wanted: Wanted) -> str:
    if not listeners:
        return f"it listens on no port ({wanted.told})"
    if wanted.reached_from_outside:
        return for_itself(listeners)
    return f"it listens only on {_seen(listeners)}: make it listen on 127.0.0.1 or 0.0.0.0 (HOST says which)"


def for_itself(listeners: Sequence[Listener]) -> str:
    """What is wrong where a program in a network of its own listens on these alone, which nobody else reaches."""
    return f"it listens only on {_seen(listeners)}, for itself alone: make it listen on [::] (HOST=::)"


def _seen(listeners: Sequence[Listener]) -> str:
    return ", ".join(sorted({f"{found.address}:{found.port}" for found in listeners}))


def _reachable(found: Listener, wanted: Wanted) -> bool:
    """Can what leads to the service reach this socket? Plain processes are reached over IPv4 loopback, containers have both."""
    if wanted.reached_from_outside:
        return not found.loopback
    address = found.address.removeprefix(MAPPED)
    return address in ANY or (":" not in address and found.loopback)
