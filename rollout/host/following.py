"""Seeing that a copy leaves its port for another one: which copies to look at, and where they should be led."""

from collections.abc import Callable, Iterator, Sequence, Set
from dataclasses import dataclass, field, replace

from rollout.host import apart, views
from rollout.host.ledger import Held
from rollout.host.ports import Choose, Engine, Listener, Watch

SPARE_S = 60.0
"""So long after a copy has opened a further port it may be about to leave the one that is led to (seconds)."""
UNSURE_S = 1.0
"""So long a further port is asked again whether it is the service's: it may listen before it answers (seconds)."""


@dataclass(slots=True)
class _Seen:
    """The ports of one copy, each with when it was first seen; those of the first look have always been there.

    `network`: where it listens, so that the same number elsewhere is another port.
    """

    ports: dict[int, float]
    network: int = 0
    chosen_of: frozenset[int] = field(default_factory=frozenset)

    def young(self, now: float, span: float) -> frozenset[int]:
        return frozenset(port for port, since in self.ports.items() if now - since < span)


class Following:
    """What the followed copies listen on, look by look. Callers see to it that looks come one after the other."""

    def __init__(self, engine: Engine, watch: Watch, choose: Choose, clock: Callable[[], float]) -> None:
        self._engine = engine
        self._watch = watch
        self._choose = choose
        self._clock = clock
        self._seen: dict[str, _Seen] = {}
        self._listening: frozenset[tuple[int, int]] = frozenset()

    def news(self, followed: Sequence[Held], *, each: bool = False) -> Sequence[tuple[Held, Sequence[Listener]]]:
        """Those that may have to be led elsewhere, with what they listen on now.

        `followed` are all that there are: that is cheap where nobody opens or closes a port. With `each` they are some, of
        which each is looked at.
        """
        listening = None if each else self._watch.listening()
        suspects = followed if listening is None else self._suspects(followed, frozenset(listening))
        return list(self._news(suspects))

    def _news(self, suspects: Sequence[Held]) -> Iterator[tuple[Held, Sequence[Listener]]]:
        for held, mine in self._listeners(suspects):
            if mine and self._is_news(held, frozenset(listener.port for listener in mine), mine[0].network):
                yield held, mine

    def _listeners(self, suspects: Sequence[Held]) -> Iterator[tuple[Held, Sequence[Listener]]]:
        """Of those in a network of their own what is there, of all others what their processes have open."""
        shared = []
        for held in suspects:
            told = apart.listeners(self._engine, self._watch, held.spec)
            if told is None:
                shared.append(held)
            else:
                yield held, told
        pids = {held.spec.id: self._engine.pids(held.spec.id) for held in shared}
        seen = self._watch.listeners([pid for found in pids.values() for pid in found])
        for held in shared:
            yield held, [listener for listener in seen if listener.pid in pids[held.spec.id]]

    def led(self, held: Held, listeners: Sequence[Listener]) -> Held:
        """The copy as names and edge should lead to it; the same where that cannot be said."""
        if held.port in {listener.port for listener in listeners}:
            young = self._young(held)
            found = self._choose(held.spec, [listener for listener in listeners if listener.port in young])
            return replace(held, spare=found[0] if found else 0)
        found = self._choose(held.spec, listeners)
        if not found:
            return held
        ipv4 = held.joined is not None and views.ipv4(listeners, found[0])
        return replace(held, port=found[0], note=found[1], spare=0, ipv4=ipv4)

    def _young(self, held: Held) -> frozenset[int]:
        seen = self._seen.get(held.spec.id)
        return seen.young(self._clock(), SPARE_S) - {held.port} if seen else frozenset()

    def _suspects(self, followed: Sequence[Held], listening: frozenset[tuple[int, int]]) -> Sequence[Held]:
        """Somebody's new port may be anybody's in that network; else only those of which something is known to be in motion."""
        new, self._listening = {network for network, _ in listening - self._listening}, listening
        if new:
            self._seen = {held.spec.id: self._seen[held.spec.id] for held in followed if held.spec.id in self._seen}
        return [held for held in followed if held.spare or self._in_motion(held, listening, new)]

    def _in_motion(self, held: Held, listening: frozenset[tuple[int, int]], new: Set[int]) -> bool:
        seen = self._seen.get(held.spec.id)
        if seen is None or seen.network in new:
            return True
        return (seen.network, held.port) not in listening or bool(self._young(held))

    def _is_news(self, held: Held, ports: frozenset[int], network: int) -> bool:
        """It has left its port; or what could be its next one is not what it was."""
        now = self._clock()
        before = self._seen.get(held.spec.id)
        known = before.ports if before else dict.fromkeys(ports, now - SPARE_S)
        chosen_of = before.chosen_of if before else frozenset()
        seen = _Seen({port: known.get(port, now) for port in ports}, network, chosen_of)
        self._seen[held.spec.id] = seen
        if held.port not in ports:
            return True
        could_be, decided = self._young(held), seen.chosen_of
        seen.chosen_of = could_be
        unsure = not held.spare and bool(seen.young(now, UNSURE_S) & could_be)
        return could_be != decided or unsure or held.spare not in could_be | {0}
