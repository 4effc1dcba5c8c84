"""What the host part does by itself: takes its instances back, replaces lost ones, follows ports, leads back without a store."""

import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

from rollout.errors import BrokenError, PartialError, RolloutError, TransientError
from rollout.host import views
from rollout.host.desk import Desk, Doers
from rollout.host.following import Following
from rollout.host.images import ImageDesk
from rollout.host.joining import Members
from rollout.host.known import Known, Note
from rollout.host.ledger import Held, Ledger, Record
from rollout.host.notes import Notes
from rollout.host.ports import DOWN, Choose, InstanceFacts, Listener, Phase, Probe
from rollout.model.fleet import RestartPolicy, RuntimeName

AT_ONCE = 16
AGAIN_S = 10.0
LOST_GRACE_S = 10.0
ENDED = DOWN | {Phase.EXITED, Phase.FAILED}


class KeepingDesk(Desk, ImageDesk):
    """The desk of a host part that lives: fulfils HostPart, Upkeep and ImageShelf.

    `follow_ports` is called several times a second, `replace_lost` about once.

    `boot` names this start of the host: after another one nothing of what the ledger says is believed alive.
    """

    def __init__(
        self,
        ledger: Ledger,
        doers: Doers,
        *,
        notes: Notes,
        probe: Probe,
        choose: Choose,
        version: str = "",
        boot: str = "",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(ledger, doers, notes=notes, version=version, boot=boot)
        self.images = doers.images
        self._written = notes
        self._probe = probe
        self._following = Following(doers.engine, doers.watch, choose, clock)
        self._looking = threading.Lock()
        self._boot = boot
        self._clock = clock
        self._failed: dict[str, float] = {}
        self._trouble = ""
        self._revived: list[str] = []
        self._bringing_back = threading.Lock()

    def bring_back(self) -> Sequence[str]:
        """All that should run runs; PartialError names what could not be started, the rest runs all the same."""
        with self._bringing_back:
            return self._bring_all_back()

    def _bring_all_back(self) -> Sequence[str]:
        anew = self.ledger.boot() not in {self._boot, ""}
        with ThreadPoolExecutor(AT_ONCE) as pool:
            done = pool.map(lambda record: self._bring_back(record.service, anew=anew), self.ledger.records())
            problems = [problem for found in done for problem in found]
        started, self._revived = sorted(self._revived), []
        if problems:
            raise PartialError(
                f"{len(problems)} could not be brought back: {problems[0]}",
                state=f"{len(started)} were started, all others run as before",
                then="rollout status",
            )
        self.ledger.set_boot(self._boot)
        return started

    def _bring_back(self, service: str, *, anew: bool) -> list[str]:
        """What went wrong."""
        problems = []
        with self._locks[service]:
            record = self.ledger.record(service)
            for held in [held for held in record.held.values() if held.wanted]:
                try:
                    self._revive(held, ENDED if anew else DOWN)
                except RolloutError as error:
                    problems.append(error.what)
            try:
                self._lead(self.ledger.record(service), durable=False)
            except RolloutError as error:
                problems.append(error.what)
        return problems

    def _revive(self, held: Held, phases: frozenset[Phase]) -> bool:
        """Started again if it is in one of these phases."""
        facts = self.doers.engine.facts(held.spec.id)
        if facts is not None and facts.phase not in phases:
            return False
        if facts is not None and facts.phase not in DOWN:
            self.doers.engine.stop(held.spec.id, 0)
        self._run(held)
        self._revived.append(held.spec.id)
        return True

    def set_egress(self, environment: str, *, egress: bool) -> None:
        """See Upkeep."""
        self.doers.network.set_egress(environment, egress=egress)

    def known(self) -> Sequence[Known]:
        """Every service that the ledger has a record of."""
        return [Known(service=one.service, fence=one.fence, weight=one.weight) for one in self.ledger.records()]

    def end_all(self) -> Sequence[str]:
        """No process of any instance lives, also of those that the ledger has lost; nothing of the private network is left.

        What is wanted is still wanted, so that `bring_back` starts it again.
        """
        held = [held for record in self.ledger.records() for held in record.held.values()]
        graces = dict.fromkeys(self.doers.engine.known(), LOST_GRACE_S) | {one.spec.id: one.spec.grace_s for one in held}
        with ThreadPoolExecutor(4 * AT_ONCE) as pool:
            list(pool.map(lambda one: self.doers.engine.stop(*one), graces.items()))
        self.doers.network.close()
        return [one.spec.id for one in held if one.wanted]

    def look(self) -> None:
        """`replace_lost`, then `follow_ports`."""
        self.replace_lost()
        self.follow_ports()

    def replace_lost(self) -> None:
        """Lost instances run again, where their policy does not say never."""
        for held in self._wanted():
            if held.spec.restart is not RestartPolicy.NEVER and self._is_down(held):
                self._attempt(held, self._replace)

    def keep_network(self) -> None:
        """Tunnels and rooms that died are there again, for the edge too; whoever its engine has started again is patched in.

        What cannot be mended now is said, and tried again by the next call.
        """
        try:
            for said in self.doers.network.keep(Members(self.ledger, self.joining.coming)):
                print(said, file=sys.stderr, flush=True)  # noqa: T201 (the host part's own log)
            self.joining.tell()
            self._trouble = ""
        except RolloutError as error:
            if error.what != self._trouble:  # said once, until it is another
                print(error.what, file=sys.stderr, flush=True)  # noqa: T201 (its own log)
            self._trouble = error.what
        for held in self._wanted():
            facts = self._facts(held) if held.joined else None
            if facts is not None and self.joining.lacks(held, facts):
                self._attempt(held, self._patch)

    def _facts(self, held: Held) -> InstanceFacts | None:
        """None while its engine does not answer."""
        try:
            return self.doers.engine.facts(held.spec.id)
        except TransientError:
            return None

    def _patch(self, held: Held) -> None:
        facts = self.doers.engine.facts(held.spec.id)
        if facts is not None:
            self._joined(held, self.joining.after(held, facts))

    def follow(self, instance: str, fence: int) -> None:
        """See Desk. What it listens on now is seen at once: a port that it opens from now on is a new one."""
        super().follow(instance, fence)
        if found := self.ledger.find(instance):
            self._news([found[1]], each=True)

    def follow_ports(self) -> None:
        """Whoever follows leads to the port that is listened on now; the edge knows one that was opened besides."""
        if news := self._news([held for held in self._wanted() if held.follows]):
            with ThreadPoolExecutor(AT_ONCE) as pool:
                list(pool.map(lambda one: self._follow(*one), news))

    def look_at_ports(self, service: str) -> None:
        """What follows of this service leads to the port that is listened on now."""
        followed = [held for held in self.ledger.record(service).held.values() if held.wanted and held.follows]
        for held, listeners in self._news(followed, each=True):
            led = self._following.led(held, listeners)
            with self._locks[service]:
                now = self.ledger.record(service).held.get(held.spec.id)
                if now is not None and now.wanted:
                    self._lead_anew(now, before=held, led=led)

    def _news(self, followed: Sequence[Held], *, each: bool = False) -> Sequence[tuple[Held, Sequence[Listener]]]:
        with self._looking:
            return self._following.news(followed, each=each)

    def _follow(self, held: Held, listeners: Sequence[Listener]) -> None:
        led = self._following.led(held, listeners)
        if led != held:
            self._attempt(held, partial(self._lead_anew, before=held, led=led))

    def _wanted(self) -> list[Held]:
        return [held for record in self.ledger.records() for held in record.held.values() if held.wanted]

    def _is_down(self, held: Held) -> bool:
        """Not said of one whose engine does not answer."""
        try:
            facts = self.doers.engine.facts(held.spec.id)
        except TransientError:
            return False
        return facts is None or facts.phase in DOWN

    def _attempt(self, held: Held, act: Callable[[Held], object]) -> None:
        """Under the service's lock, unless somebody else works on it now; a failure is said, and tried again later."""
        lock = self._locks[held.spec.service]
        if self._clock() < self._failed.get(held.spec.id, 0.0) or not lock.acquire(blocking=False):
            return
        try:
            now = self.ledger.record(held.spec.service).held.get(held.spec.id)
            if now is not None and now.wanted:
                act(now)
            self._failed.pop(held.spec.id, None)
        except RolloutError as error:
            self._failed[held.spec.id] = self._clock() + AGAIN_S
            print(f"{held.spec.id}: {error.what}", file=sys.stderr, flush=True)  # noqa: T201 (the host part's own log)
        finally:
            lock.release()

    def _replace(self, held: Held) -> None:
        if self._revive(held, DOWN):
            print(f"{held.spec.id}: was lost, started again", file=sys.stderr, flush=True)  # noqa: T201 (its own log)

    def _lead_anew(self, held: Held, *, before: Held, led: Held) -> None:
        """Unless somebody has led it elsewhere since it was looked at."""
        now = replace(held, port=led.port, spare=led.spare, note=led.note, ipv4=led.ipv4)
        if held.follows and held.port == before.port and now != held:
            self._lead(self.ledger.record(held.spec.service).with_held(now))

    def lead_back(self, service: str, actor: str, at: str) -> Note:
        """All traffic goes to the healthy copies on legacy; noted first."""
        with self._locks[service]:
            record = self.ledger.record(service)
            healthy = self._healthy(record)
            note = Note(service=service, actor=actor, at=at)
            self._written.write(note)
            for held in healthy:
                record = record.with_held(replace(held, attached=True, traffic=True, port=held.port or held.spec.port))
            if record.weight is not None:
                record = replace(record, weight=0)
            self.ledger.hold(record)
            if route := views.route(record):
                self.doers.edge.write(route)
            return note

    def _healthy(self, record: Record) -> list[Held]:
        """The copies on legacy that are well; BrokenError where there is none."""
        problems = [f"no copy of {record.service} runs on legacy"]
        well = []
        for held in record.held.values():
            if held.spec.runtime is RuntimeName.LEGACY and held.wanted:
                problem = self._problem(held)
                problems.append(problem)
                well += [] if problem else [held]
        if not well:
            raise BrokenError(
                f"{record.service} cannot go back: {problems[-1]}",
                state="nothing was changed, its traffic goes where it went",
                then="rollout service logs " + record.service,
            )
        return well

    def _problem(self, held: Held) -> str:
        facts = self.doers.engine.facts(held.spec.id)
        if facts is None or facts.phase is not Phase.RUNNING:
            return f"its copy on legacy is {facts.phase if facts else Phase.GONE}"
        return self._probe(held.spec, views.address(held)) if held.spec.serves else ""

    def notes(self) -> Sequence[Note]:
        """What the store has not taken over yet."""
        return self._written.all()

    def forget_note(self, service: str) -> None:
        """The weight is on disk first, then the note goes."""
        with self._locks[service]:
            if self._written.of(service):
                self.ledger.save(self._overlaid(self.ledger.record(service)))
                self._written.erase(service)
