"""`rollout pin` and `rollout unpin`: owners who stay on legacy for a while."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

import typer

from rollout.cli.verbs import Json, run
from rollout.cli.when import parse_span
from rollout.errors import UsageError
from rollout.operations import pin as pinning
from rollout.operations.setting import Wish
from rollout.operations.subject import is_wave
from rollout.wiring import actor
from rollout.wiring.execute import Names
from rollout.wiring.plan import moment

Services = Annotated[list[str], typer.Argument(help="Each NAME or ENVIRONMENT/NAME.", metavar="SERVICE…")]

pin, unpin = (typer.Typer(add_completion=False) for _ in range(2))


@pin.command(name="pin")
def _pin(
    services: Services,
    *,
    reason: Annotated[str | None, typer.Option("--reason", "-r", help="Why it stays; a new pin needs one.")] = None,
    until: Annotated[
        str | None, typer.Option(metavar="T", help="2026-12-24 (UTC without a zone), or 30d from now. Default: the policy's pin.")
    ] = None,
    owner: Annotated[str | None, typer.Option(help="Who wants it; whoever pins, without it.")] = None,
    blocker: Annotated[str | None, typer.Option(help="What has to be solved first, like a ticket.")] = None,
    as_json: Json = False,
) -> None:
    """Keep services on legacy for a while, by their owner's wish.

    One that is moving, or has moved, is brought back first and is not blocked. Pinned again, what is not named stays.
    """
    _refuse_waves("pin", services)
    end = None if until is None else _end(until, actor.now())
    wish = Wish(reason=reason, owner=owner, until=end, blocker=blocker)
    run(lambda m, n: pinning.pin(m, _ids(n, services), wish), as_json=as_json)


@unpin.command(name="unpin")
def _unpin(
    services: Services,
    *,
    reason: Annotated[str, typer.Option("--reason", "-r", help="Why, for the audit.")] = "",
    as_json: Json = False,
) -> None:
    """Services that were pinned may be planned again. Starts nothing."""
    _refuse_waves("unpin", services)
    run(lambda m, n: pinning.unpin(m, _ids(n, services), reason), as_json=as_json)


def _ids(names: Names, services: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(names.service(service) for service in services))


def _refuse_waves(verb: str, services: Sequence[str]) -> None:
    for service in services:
        if is_wave(service):
            raise UsageError(f"{verb} takes services, {service} is a wave", then=f"rollout show {service} lists its services")


def _end(text: str, now: datetime) -> datetime:
    """The end of a pin: a date, a time, or a span from now. UsageError where it is none of them, or too far away."""
    try:
        return now + parse_span(text)
    except OverflowError:
        raise UsageError(f"--until {text} is too far away", then="write it like 2026-12-24, or 30d") from None
    except UsageError:
        pass
    try:
        return moment(text)
    except UsageError:
        raise UsageError(f"--until {text!r} is neither a date nor a span", then="write it like 2026-12-24, or 30d") from None
