"""The journal's entries, and what the store notes with them. Every row is made here by `fold.apply`: it is the journal's sum."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from rollout.executor.actions import Case, Do, Fire, Rules, Seen, Wait
from rollout.executor.fold import apply, following
from rollout.executor.ports import NONE, Effects, Write
from rollout.executor.steps import Task, after
from rollout.model.fleet import Origin, Release, RuntimeName, Setting
from rollout.model.move import Entry, EntryKind, Move
from rollout.model.plain import iso
from rollout.model.policy import Policy
from rollout.model.state import FINAL, Event, Path, State

TOLD = frozenset({State.FALLING_BACK, State.STUCK}) | FINAL - {State.FINISHED}
"""States whose reason the row keeps."""
WAITS_FOR_NOTHING: Mapping[str, object] = {"waits_for": "", "waits_until": None, "then": ""}
ENTERED_WITH = (("held_s", 0.0), ("held_since", None), *WAITS_FOR_NOTHING.items(), ("doing", None))
"""What a row has when it has just entered a state."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scribe:
    """Writes entries for one driver. `setting`: a service's setting as it is now."""

    policy: Policy
    lease: int
    user: str
    setting: Callable[[str], Setting]

    def intent(self, row: Move, do: Do, now: datetime) -> Write:
        """The effect is about to run; whatever happens then, it may have left something."""
        undo = do.step.startswith("undo:")
        begun = row.begun if undo or do.step in row.begun else (*row.begun, do.step)
        seconds = effect_limit(self.policy, row, do.step)
        deadline = row.deadline if seconds is None else now + timedelta(seconds=seconds - row.held_s)
        changes: dict[str, object] = {
            "doing": do.step,
            "begun": list(begun),
            "deadline": deadline.isoformat() if deadline else None,
        }
        return self._write(row, EntryKind.INTENT, now, step=do.step, evidence=do.evidence, changes=_freed(row, changes, now))

    def outcome(self, task: Task, stored: str, now: datetime, evidence: Mapping[str, object] | None = None) -> Write:
        """The effect has ended well; `evidence` is what was noted of it."""
        row = task.row
        changes, effects = after(stored, task, now)
        if row.held_since is not None or row.held_s:
            held = Case(rules=Rules(policy=self.policy), row=row, seen=None, now=now).held_s()
            changes |= _freed(row, {}, now) | {"held_s": 0.0}
            changes["deadline"] = (row.deadline + timedelta(seconds=held)).isoformat() if row.deadline else None
        if stored.startswith("shift:"):
            seconds = state_limit(self.policy, row.state) or 0.0
            changes |= {"since": iso(now), "deadline": (now + timedelta(seconds=seconds)).isoformat()}
        return self._write(row, EntryKind.OUTCOME, now, step=stored, evidence=evidence, changes=changes, effects=effects)

    def event(
        self,
        row: Move,
        fire: Fire,
        now: datetime,
        *,
        actor: str = "",
        queued: str = "",
        step: str | None = None,
        seen: Seen | None = None,
    ) -> Write:
        """An event of the table, and what follows from it. `step`: the effect whose failure it is; `seen`: what led to it."""
        state = following(row, fire.event)
        changes: dict[str, object] = {"queued": queued} if queued else {}
        if state is not row.state or fire.event is Event.OK:
            changes |= self._entered(row, state, now)
        again = step is not None and state is row.state
        if again:
            changes |= _freed(row, {"doing": None, "mark": iso(now)}, now)
        if (again or state is not row.state) and state in TOLD and (fire.reason or not row.reason):
            changes |= {"reason": fire.reason, "actor": actor or self.user}
        setting = self._setting(row, state)
        if setting is not None:
            changes["restores"] = setting[1]
        kind = EntryKind.OUTCOME if step else EntryKind.EVENT
        write = self._write(
            row, kind, now, step=step, event=fire.event, actor=actor, reason=fire.reason, evidence=fire.evidence, changes=changes
        )
        blocks, snapshots = _blocks(row, write.row), seen.snapshots if seen else ()
        if setting is None and not blocks and not snapshots:
            return write
        effects = Effects(
            setting=(row.service, setting[0]) if setting else None,
            block=(row.service, write.row.reason) if blocks else None,
            snapshots=snapshots,
        )
        return replace(write, effects=effects)

    def hold(self, row: Move, wait: Wait, now: datetime) -> Write | None:
        """The clock of the move stands while `wait.hold` forbids its step; None where nothing changes."""
        text = wait.hold or wait.remark
        changes: dict[str, object] = {"waits_for": text, "waits_until": iso(wait.ends) if wait.ends else None, "then": wait.then}
        if wait.hold and row.held_since is None:
            changes["held_since"] = iso(now)
        elif not wait.hold:
            changes = _freed(row, changes, now)
        if (row.waits_for, row.waits_until, row.then) == (text, wait.ends, wait.then) and len(changes) == len(WAITS_FOR_NOTHING):
            return None
        return self._write(row, EntryKind.NOTE, now, reason=text, evidence=wait.evidence, changes=changes)

    def absent(self, row: Move, seconds: float, now: datetime) -> Write:
        """Nobody drove the move for so long: its clock stood."""
        changes: dict[str, object] = {"held_s": row.held_s + seconds}
        return self._write(row, EntryKind.NOTE, now, reason=f"nobody drove it for {seconds:.0f} s", changes=changes)

    def remind(self, row: Move, reason: str, now: datetime) -> Write:
        """A person is told again, and after `hold_limit` once more."""
        later = now + timedelta(seconds=self.policy.hold_limit_s)
        return self._write(row, EntryKind.NOTE, now, reason=reason, changes={"deadline": later.isoformat()})

    def note(self, row: Move, reason: str, actor: str, now: datetime) -> Write:
        """Something was asked that changes nothing."""
        return self._write(row, EntryKind.NOTE, now, reason=reason, actor=actor)

    def began(self, row: Move, now: datetime, *, release: int, source_token: str) -> Write:
        """The move begins, with the release that runs on its source."""
        write = self.event(row, Fire(event=Event.OK), now)
        known: dict[str, object] = {"release": release, "source_token": source_token}
        entry = replace(write.entry, changes={**write.entry.changes, **known})
        return replace(write, entry=entry, row=apply(row, entry))

    def _write(
        self,
        row: Move,
        kind: EntryKind,
        now: datetime,
        *,
        step: str | None = None,
        event: Event | None = None,
        actor: str = "",
        reason: str = "",
        evidence: Mapping[str, object] | None = None,
        changes: Mapping[str, object] | None = None,
        effects: Effects = NONE,
    ) -> Write:
        entry = Entry(
            move=row.id,
            kind=kind,
            at=now,
            actor=actor or self.user,
            step=step,
            event=event,
            reason=reason,
            evidence=evidence or {},
            changes=changes or {},
            lease=self.lease,
        )
        return Write(entry=entry, row=apply(row, entry), effects=effects)

    def _entered(self, row: Move, state: State, now: datetime) -> dict[str, object]:
        seconds = state_limit(self.policy, state)
        at, step = iso(now), _next_step(row, state)
        end = None if seconds is None else iso(now + timedelta(seconds=seconds))
        changes: dict[str, object] = {"state": str(state), "since": at, "mark": at, "deadline": end}
        if row.step != step:
            changes["step"] = step
        changes.update({name: value for name, value in ENTERED_WITH if getattr(row, name) != value})
        return changes

    def _setting(self, row: Move, state: State) -> tuple[Setting, str] | None:
        """The setting that entering `state` writes, and what is to be put back if the move is brought back."""
        if state is row.state:
            return None
        if row.path.back:
            return (parsed(row.restores), row.restores) if state is State.FINISHING else None
        if state is State.WARM or (row.path is Path.RECREATE and state is State.FINISHING):
            present = self.setting(row.service)
            restores = row.restores or f"{present.runtime}/{present.origin}"
            return Setting(runtime=RuntimeName.V2, origin=Origin.ROLLOUT), restores
        return (parsed(row.restores), "") if row.restores and state is State.FALLING_BACK else None


def parsed(restores: str) -> Setting:
    """A setting from `runtime/origin`; legacy by default where nothing is known."""
    runtime, _, origin = restores.partition("/")
    return Setting(runtime=RuntimeName(runtime), origin=Origin(origin)) if origin else Setting()


def state_limit(policy: Policy, state: State) -> float | None:
    """The longest a move may stand in a state, in seconds; None for those that end otherwise."""
    limit = LIMITS.get(state)
    return limit(policy) if limit else None


LIMITS: Mapping[State, Callable[[Policy], float]] = {
    State.PUBLISHING: lambda policy: policy.deadlines.publishing_s,
    State.LAUNCHING: lambda policy: policy.deadlines.launching_s,
    State.GAP: lambda policy: policy.deadlines.launching_s + policy.deadlines.draining_s,
    State.PROVING: lambda policy: policy.deadlines.proving_s,
    State.SHIFTING: lambda policy: max(policy.deadlines.step_s, policy.step_s),
    State.BAKING: lambda policy: policy.deadlines.step_s + policy.bake_s,
    State.WARM: lambda policy: policy.keep_warm_s,
    State.FINISHING: lambda policy: policy.deadlines.draining_s,
    State.FALLING_BACK: lambda policy: policy.deadlines.proving_s + policy.deadlines.draining_s,
    State.STUCK: lambda policy: policy.hold_limit_s,
}


def effect_limit(policy: Policy, row: Move, stored: str) -> float | None:
    """How long an effect on the way back may take from its intent on; None where the state's own deadline holds."""
    limits = policy.deadlines
    if row.state is not State.FALLING_BACK:
        return None
    return limits.launching_s + limits.proving_s if stored == "undo:gap" else limits.proving_s + limits.draining_s


def time_to_come_up(policy: Policy, row: Move, release: Release) -> float:
    """How long (seconds) a release may take to be published, or to listen: in a gap no longer than its plan declared."""
    if row.state is State.PUBLISHING:
        return policy.deadlines.publishing_s
    declared = release.spec.health_timeout_s if row.state is State.GAP else float("inf")
    return min(policy.deadlines.launching_s, declared)


def _next_step(row: Move, state: State) -> int:
    if state is State.SHIFTING:
        if row.state is State.STUCK:
            return len(row.steps) - 1
        return row.step + 1 if row.state is State.SHIFTING else 0
    return 0 if state is State.PROVING else row.step


def _blocks(before: Move, row: Move) -> bool:
    if before.state is row.state or not row.blocks:
        return False
    return row.state is State.FINISHING if row.path.back else row.state in {State.FELL_BACK, State.SKIPPED}


def _freed(row: Move, changes: dict[str, object], now: datetime) -> dict[str, object]:
    """The clock runs again, if it stood."""
    if row.held_since is None:
        return changes
    held = row.held_s + (now - row.held_since).total_seconds()
    return {**WAITS_FOR_NOTHING, "held_since": None, "held_s": held, **changes}
