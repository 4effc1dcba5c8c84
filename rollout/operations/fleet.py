"""What people ask of the fleet: add, look, edit, remove. The values that command line and page both show."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from rollout.errors import StaleError, UsageError, WaitingError
from rollout.model.fleet import Block, Pin, RuntimeName, Service, Setting, Tier
from rollout.model.image import told
from rollout.model.plain import to_plain
from rollout.model.service_rules import problems
from rollout.model.volumes import written
from rollout.operations import setting as choice
from rollout.operations.listening import Listens
from rollout.operations.setting import Rules
from rollout.store import blocks, moving, pins, placements, releases, setting
from rollout.store.database import Transaction
from rollout.store.services import Services, asking_for_v2, differing


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A service and all that is known of it. `setting` is None once it is written off.

    `image`: what runs of it (else its newest release) is made of, as NAME@DIGEST, where that was asked.
    `copies`: where they listen, and `edge`: where the edge listens for it (`127.0.0.1:41234`), where that was asked.
    """

    service: Service
    setting: Setting | None
    runs_on: tuple[RuntimeName, ...] = ()
    moving: str | None = None
    pin: Pin | None = None
    block: Block | None = None
    asked_for_v2: bool = False
    image: str = ""
    copies: Sequence[Listens] = ()
    edge: str = ""

    def data(self) -> dict[str, Any]:
        """Plain values for JSON; of env the names alone."""
        return {
            "id": self.service.id,
            **to_plain(self.service),
            "env": sorted(self.service.env),
            "setting": to_plain(self.setting),
            "runs_on": to_plain(self.runs_on),
            "moving": self.moving,
            "pin": to_plain(self.pin),
            "block": to_plain(self.block),
            "asked_for_v2": self.asked_for_v2,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """What an edit changed: `fields` of the service (of env, names), and whether its runtime choice."""

    service: Service
    fields: tuple[str, ...]
    chosen: bool


def views(
    fleet: Services, *, tiers: Iterable[Tier] = (), environment: str | None = None, customer: str | None = None
) -> list[View]:
    """The services asked for, in the order of their ids."""
    return _views(fleet, fleet.list(tiers=tiers, environment=environment, customer=customer))


def view(fleet: Services, name: str) -> View:
    """One service by the name that a person types, with the image of its release."""
    found = _views(fleet, [fleet.find(name)])[0]
    return replace(found, image=_image(fleet, found.service.id)) if found.service.image else found


def _image(fleet: Services, service: str) -> str:
    with fleet.database.reading() as session:
        known = releases.of_many(session, [service])[service]
        placed = max(placements.of(session, service), key=lambda one: one.weight, default=None)
    release = known[placed.release if placed else max(known)] if known else None
    return told(release.spec.image, release.image, whole=True) if release else ""


def _views(fleet: Services, services: Sequence[Service]) -> list[View]:
    with fleet.database.reading() as session:
        gone, default = setting.written_off(session), setting.default(session)
        settings, pinned, blocked = setting.every(session), pins.every(session), blocks.every(session)
        placed, moves, asked = placements.every(session), moving.every(session), asking_for_v2(session)
    return [
        View(
            service=service,
            setting=None if gone else settings.get(service.id, default),
            runs_on=tuple(placement.runtime for placement in placed.get(service.id, ())),
            moving=moves.get(service.id),
            pin=pinned.get(service.id),
            block=blocked.get(service.id),
            asked_for_v2=service.id in asked,
        )
        for service in services
    ]


def add(fleet: Services, service: Service, rules: Rules, *, runtime: RuntimeName | None = None, reason: str = "") -> bool:
    """The service is in the fleet; False where it was, just like this. UsageError where another has its name."""
    check(service)
    with fleet.database.writing() as session:
        known = fleet.known(session, [service.id]).get(service.id)
        if known is not None:
            if fields := differing(known, service):
                raise UsageError(
                    f"{service.id} is there already, with other {', '.join(fields)}",
                    then=f"rollout service set {service.id} …",
                )
            return False
        fleet.put_in(session, [service], who=rules.who, why=reason)
        choice.of_new(session, [service.id], runtime, rules, reason=reason)
    return True


def edit(
    fleet: Services,
    name: str,
    changes: Mapping[str, Any],
    rules: Rules,
    *,
    runtime: RuntimeName | None = None,
    reason: str = "",
) -> Edit:
    """The service has these fields from its next deploy on, and the runtime choice, if one is given, from now on."""
    before = fleet.find(name)
    after = replace(before, **changes)
    check(after)
    with fleet.database.writing() as session:
        done = fleet.put_in(session, [after], who=rules.who, why=reason)
        chosen = runtime is not None and choice.choose(session, after.id, runtime, rules, reason=reason)
    fields = done.changed[0].fields if done.changed else ()
    return Edit(service=after, fields=fields, chosen=chosen)


def remove(fleet: Services, service: Service, *, who: str, why: str = "") -> None:
    """The service, its releases, pin, block and setting are gone. StaleError while it runs, WaitingError while it moves."""
    with fleet.database.writing() as session:
        _require_idle(session, service.id)
        fleet.remove(session, service.id, who=who, why=why)


def check(service: Service) -> None:
    """UsageError with every rule that the service breaks, or where its copies could not run together."""
    if broken := problems(service):
        told = "; ".join(f"{field} {reason}" for field, reason in broken)
        raise UsageError(f"{service.id}: {told}", then="rollout service add --help")
    refuse_shared_volumes(service)


def refuse_shared_volumes(spec: Service) -> None:
    """UsageError where several copies would write to one volume."""
    if spec.replicas > 1 and (shared := written(spec.volumes, spec.name)):
        raise UsageError(
            f"{spec.id}: {spec.replicas} replicas, and only one copy at a time may mount {' and '.join(shared)}",
            then="one replica (--replicas 1), or :ro at the end of what is only read",
        )


def _require_idle(session: Transaction, service: str) -> None:
    then = f"rollout service stop {service}, then remove it"
    if move := moving.of(session, service):
        raise WaitingError(f"{service} is moving ({move})", then=then)
    if placed := placements.of(session, service):
        raise StaleError(f"{service} runs on {' and '.join(placement.runtime for placement in placed)}", then=then)
