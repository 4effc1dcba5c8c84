"""The demo on cardboard: no processes, no traffic, no time; what it tells is the story itself."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from rollout.demo.stage import Told
from rollout.edge.access_log import AccessLine
from rollout.errors import BrokenError
from rollout.model.fleet import RuntimeName, Service, Tier
from rollout.model.move import Entry, EntryKind, Move
from rollout.model.plan import Exclusion, Plan, PlannedMove, Precondition, Reason, Strategy, Wave
from rollout.model.policy import Policy
from rollout.model.state import State
from rollout.model.verdict import Outcome
from rollout.operations.numbers import Comparison

NOW = datetime(2024, 6, 4, tzinfo=UTC)
WHY = "does not come up, traffic: , performance: "


def planned(service: Service) -> PlannedMove:
    before = Precondition(settings_hash="", tier=service.tier, runtime=RuntimeName.LEGACY, pinned=False, release=1)
    return PlannedMove(
        service=service.id,
        customer=service.customer,
        environment=service.environment,
        kind=service.kind,
        strategy=Strategy.OVERLAP,
        expected_s=1,
        downtime_s=0,
        precondition=before,
        why="",
    )


@dataclass
class Cardboard:
    """A stage without a world: a service with a fault in its command falls back, others move."""

    fails_at: str = ""
    after: "dict[str, object]" = field(default_factory=dict)
    fleet: dict[str, Service] = field(default_factory=dict)
    where: dict[str, str] = field(default_factory=dict)
    blocked: set[str] = field(default_factory=set)
    pinned: set[str] = field(default_factory=set)
    called: list[str] = field(default_factory=list)
    waves: int = 0

    def _call(self, name: str) -> None:
        self.called.append(name)
        if callable(hook := self.after.get(name)):
            hook()
        if name == self.fails_at:
            raise BrokenError(f"{name} is broken")

    def open(self) -> str:
        self._call("open")
        return ""

    def deploy(self, services: Sequence[Service]) -> Mapping[str, int]:
        self._call("deploy")
        releases = {service.id: 2 if service.id in self.fleet else 1 for service in services}
        for service in services:
            self.fleet[service.id] = service
            self.where.setdefault(service.id, "legacy")
        return releases

    def plan(self) -> Plan:
        self._call("plan")
        waves = []
        for tier in Tier:
            here = [
                s
                for s in self.fleet.values()
                if s.tier is tier and self.where[s.id] == "legacy" and s.id not in self.blocked | self.pinned
            ]
            if here:
                self.waves += 1
                waves.append(Wave(number=self.waves, tier=tier, moves=tuple(planned(s) for s in here)))
        policy = Policy(name="demo", tiers=())
        return Plan(
            created=NOW,
            expires=NOW,
            fleet_revision=1,
            policy=policy,
            policy_hash="",
            tiers=tuple(Tier),
            waves=tuple(waves),
            excluded=tuple(Exclusion(service=s, tier=Tier.PRO, reason=Reason.PINNED, detail="a trade fair") for s in self.pinned),
        )

    def execute(self, wave: Wave, told: Told) -> None:
        self._call("execute")
        for each in wave.moves:
            move = Move(
                id=f"{wave.name}/{each.service}",
                service=each.service,
                wave=wave.number,
                source=RuntimeName.LEGACY,
                target=RuntimeName.V2,
                strategy=Strategy.OVERLAP,
                since=NOW,
            )
            fault = "--fault" in (self.fleet[each.service].command or ())
            path = [State.SHIFTING, State.FALLING_BACK, State.FELL_BACK] if fault else [State.SHIFTING, State.WARM]
            for state in path:
                log = [f"line {n}" for n in range(50)] if state is State.FALLING_BACK else []
                entry = Entry(move=move.id, kind=EntryKind.EVENT, at=NOW, actor="demo", evidence={"log": log})
                told(entry, replace(move, state=state, reason=WHY if fault else ""))
                told(entry, replace(move, state=state, reason=WHY if fault else "", seq=9))
            self.where[each.service] = "legacy" if fault else "v2"
            self.blocked |= {each.service} if fault else set()

    def finish(self, told: Told) -> None:
        self._call("finish")

    def retry(self, service: str) -> None:
        self._call("retry")
        self.blocked.remove(service)

    def pin(self, service: str, reason: str) -> str:
        self._call("pin")
        self.pinned.add(service)
        return f"{service} is pinned: {reason}"

    def unpin(self, service: str) -> str:
        self._call("unpin")
        self.pinned.remove(service)
        return f"{service} is pinned no more"

    def performance(self, services: Sequence[str]) -> Sequence[Comparison]:
        self._call("performance")
        verdicts = {service: Outcome.FAIL if service in self.blocked else Outcome.PASS for service in services}
        return [
            Comparison(service=service, legacy_p50_ms=1, v2_p50_ms=2, legacy_p99_ms=3, v2_p99_ms=4, verdict=verdict)
            for service, verdict in sorted(verdicts.items())
        ]

    def finalize(self) -> None:
        self._call("finalize")

    def on(self) -> Mapping[str, int]:
        values = list(self.where.values())
        return {name: values.count(name) for name in set(values)}

    def lines(self) -> Sequence[AccessLine]:
        return []

    def stop(self) -> None:
        self.called.append("stop")

    def close(self) -> tuple[Sequence[str], Sequence[Path]]:
        self._call("close")
        return [], []
