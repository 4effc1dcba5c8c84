"""Pins in the status: who stays on legacy, by whose wish, until when and why; and pins that have expired."""

from collections.abc import Iterator, Mapping

from rich.text import Text

from rollout.operations.status import Status

MOST = 5


def lines(status: Status) -> Iterator[Text]:
    """A few of each kind, the rest counted; nothing where nobody has a pin."""
    yield from _listed("pinned", status.pins)
    yield from _listed("pins that have expired, planned again (rollout unpin forgets them)", status.expired_pins)


def _listed(title: str, pins: Mapping[str, str]) -> Iterator[Text]:
    if pins:
        yield Text(title, style="bold")
    yield from (Text(f"  {service}  {told}") for service, told in list(pins.items())[:MOST])
    if len(pins) > MOST:
        yield Text(f"  and {len(pins) - MOST} more: rollout service list")
