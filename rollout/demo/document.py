"""What a demo did, added up into one document, and what of it was not as told."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

from rollout.demo.accounting import Requests
from rollout.demo.events import Ended, FellBack
from rollout.operations.numbers import Comparison
from rollout.operations.numbers import document as line

LEAST_REQUESTS = 1_000
MOST_PLANTED = 5
"""More failures than this of one planted service: the way back was too slow."""

NOTHING_SENT = Requests(
    sent=0,
    failed=0,
    failed_planted=0,
    failed_in_declared_downtime=0,
    failed_outside_declared_downtime=0,
    retried=0,
    planted_by_service={},
    outside_by_service={},
)
PARTS_OF_REQUESTS = (
    "sent",
    "failed",
    "failed_planted",
    "failed_in_declared_downtime",
    "failed_outside_declared_downtime",
    "retried",
)


@dataclass(kw_only=True)
class Record:
    """What has happened until now; it can be read at any moment, also when the demo is broken off.

    `port_changes`: how many copies on v2 answered, of services that change their port. `stayed`: what the first plan left out
    by its owner's wish. `kept`: nothing was taken down, by a person's wish.
    """

    services: dict[str, int] = field(default_factory=dict)
    waves: list[Ended] = field(default_factory=list)
    fallbacks: list[FellBack] = field(default_factory=list)
    requests: Requests = NOTHING_SENT
    unlogged: int = 0
    neighbour_calls: int = 0
    port_changes: Mapping[str, int] = field(default_factory=dict)
    performance: list[Comparison] = field(default_factory=list)
    stayed: list[str] = field(default_factory=list)
    kept: bool = False
    longest_gap_ms: float = 0.0
    finalized: bool = False
    seconds: float = 0.0
    leftovers: list[str] = field(default_factory=list)

    def document(self, error: str = "") -> dict[str, object]:
        """The one JSON document, with `error` where there was one."""
        requests = asdict(self.requests)
        return {
            "services": {runtime: self.services.get(runtime, 0) for runtime in ("legacy", "v2")},
            "waves": [
                {"name": w.wave, "tier": str(w.tier), "moved": w.moved, "fell_back": w.fell_back, "seconds": round(w.seconds, 1)}
                for w in self.waves
            ],
            "fallbacks": [{"service": f.service, "reason": f.reason} for f in self.fallbacks],
            "requests": {part: requests[part] for part in PARTS_OF_REQUESTS},
            "longest_gap_ms": self.longest_gap_ms,
            "performance": [line(comparison) for comparison in self.performance],
            "finalized": self.finalized,
            "seconds": round(self.seconds, 1),
            "leftovers": list(self.leftovers),
            **({"error": error} if error else {}),
        }


def not_as_told(
    record: Record, *, services: int, planted: Mapping[str, str], pinned: Sequence[str] = (), traffic: bool = True
) -> list[str]:
    """Every promise of the story that was not kept, one line each; empty when all went as told.

    `planted`: a word of the reason for which each should have fallen back, by service. `pinned`: who stays at first.
    """
    fell = sorted(f.service for f in record.fallbacks)
    found = [
        (record.services != {"v2": services}, f"{services} services should be on v2 now: {record.services}"),
        (
            fell != sorted(planted),
            f"{', '.join(sorted(planted))} should have fallen back once each: {', '.join(fell) or 'none'} did",
        ),
        (record.stayed != sorted(pinned), f"the first plan should have left out {', '.join(pinned)}: {record.stayed}"),
        (not record.finalized and not record.kept, "the setting was not written off"),
        *(
            (planted.get(f.service, "") not in f.reason, f"{f.service} fell back for another reason: {f.reason}")
            for f in record.fallbacks
        ),
        (bool(record.leftovers), f"something is still there: {'; '.join(record.leftovers)}"),
    ]
    return [line for wrong, line in found + (_wrong_with_traffic(record) if traffic else []) if wrong]


def _wrong_with_traffic(record: Record) -> list[tuple[bool, str]]:
    """Promises about requests. That the log and the neighbour were really read is one of them."""
    requests = record.requests
    return [
        (requests.sent < LEAST_REQUESTS, f"only {requests.sent} requests were sent"),
        (
            requests.failed_outside_declared_downtime > 0,
            f"requests failed outside of declared downtime: {_by_service(requests.outside_by_service)}",
        ),
        (
            max(requests.planted_by_service.values(), default=0) > MOST_PLANTED,
            f"a planted fault reached too many clients: {_by_service(requests.planted_by_service)}",
        ),
        (requests.failed_planted == 0, "no planted fault reached a client: the edge's log was not understood"),
        (requests.retried > 0, f"{requests.retried} requests were tried twice at the edge"),
        (record.unlogged > 0, f"{record.unlogged} answered requests are not in the edge's log"),
        (record.neighbour_calls == 0, "the neighbour called nobody"),
        *((copies < 2, f"{service} answered on {copies} ports of v2") for service, copies in record.port_changes.items()),
    ]


def _by_service(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{service} {count}" for service, count in sorted(counts.items()))
