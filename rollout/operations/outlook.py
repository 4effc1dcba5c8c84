"""The status with an outlook: what people have just done, and when each wave and each move will be done. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from rollout.executor.ports import Control, ControlKind
from rollout.model.move import Move
from rollout.model.state import State
from rollout.operations.eta import Eta, Known, Paces, Unsure, of_move, of_wave
from rollout.operations.status import Item, Status, WaveLine
from rollout.operations.subject import FLEET, wave_name
from rollout.store.progress import Sight, WaveFacts
from rollout.store.watched import Act

FRESH = timedelta(seconds=60)
"""For so long what a person did is news."""
RUNNING, STOPPED = "running", "stopped"


def outlook(status: Status, sight: Sight, paces: Paces, controls: Sequence[Control], acts: Sequence[Act]) -> Status:
    """The same status, every wave and every moving service with its estimate, and the acts of people."""
    facts = {wave.name: wave for wave in sight.waves}
    doubts = {line.name: _doubt(line, facts.get(line.name), controls) for line in status.waves}
    known = {wave_name(number): found for number, found in paces.items()}
    seen = _Seen(moves=sight.moves, facts=facts, doubts=doubts, known=known, now=status.at)
    rows = {(wave_name(row.wave), row.service): row for row in sight.moves}
    return replace(
        status,
        acts=tuple(acts),
        waves=tuple(seen.wave(line) for line in status.waves),
        items=tuple(seen.item(item, rows.get((item.wave, item.service))) for item in status.items),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """What the estimates rest on; waves by their names."""

    moves: Sequence[Move]
    facts: Mapping[str, WaveFacts]
    doubts: Mapping[str, Unsure | None]
    known: Mapping[str, Known]
    now: datetime

    def wave(self, line: WaveLine) -> WaveLine:
        """The line with its estimate, where it is under way."""
        began = self.facts[line.name].began if line.name in self.facts else None
        if line.state not in {RUNNING, STOPPED}:
            return replace(line, began=began)
        mine = [row for row in self.moves if wave_name(row.wave) == line.name]
        planned = line.counts.get(State.PLANNED, 0) + max(0, line.size - sum(line.counts.values()))
        eta = of_wave(mine, planned, self.known.get(line.name), self.now)
        return replace(line, began=began, eta=self._doubted(eta, line.name))

    def item(self, item: Item, row: Move | None) -> Item:
        """The item with its estimate."""
        eta = of_move(row, self.known.get(item.wave), self.now) if row else None
        return replace(item, eta=self._doubted(eta, item.wave))

    def _doubted(self, eta: Eta | None, wave: str) -> Eta | None:
        doubt = self.doubts.get(wave)
        return Eta(unsure=doubt) if eta and doubt else eta


def _doubt(line: WaveLine, facts: WaveFacts | None, controls: Sequence[Control]) -> Unsure | None:
    """What keeps anybody from saying when the wave is done."""
    kinds = {control.kind for control in controls if control.subject in {FLEET, line.name}}
    if ControlKind.PAUSE in kinds:
        return Unsure.PAUSED
    if ControlKind.FREEZE in {control.kind for control in controls}:
        return Unsure.FROZEN
    if line.state == STOPPED:
        return Unsure.STOPPED
    given = {c.actor for c in controls if c.kind is ControlKind.APPROVAL and c.subject == line.name}
    if facts is not None and facts.pace is not None and len(given) < facts.pace.approvals:
        return Unsure.APPROVAL
    return None if line.driven else Unsure.UNDRIVEN
