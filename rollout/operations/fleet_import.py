"""Taking over what files say of services: all of it, or nothing."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from rollout.manifests.draft import Found
from rollout.manifests.problem import Problem
from rollout.manifests.scan import Scan
from rollout.model.fleet import RuntimeName, Service
from rollout.operations import setting as choice
from rollout.operations.setting import Rules
from rollout.store import manifests
from rollout.store.database import Transaction
from rollout.store.manifests import Named
from rollout.store.services import Services

OF_MANIFESTS = "railway."


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What an import did, or would do when it was not `written`. `changed`: ids with the fields that differ."""

    written: bool
    added: tuple[str, ...]
    changed: Mapping[str, tuple[str, ...]]
    unchanged: tuple[str, ...]


class _NotForRealError(Exception):
    """Leads out of a transaction that must leave nothing behind; nobody ever sees it."""


def import_found(
    fleet: Services, scan: Scan, rules: Rules, *, runtime: RuntimeName | None = None, reason: str = "", write: bool = True
) -> Imported:
    """All services of the scan are in the fleet as their files say, in one transaction; what else is there stays.

    What a kind of file cannot tell (env in a Railway manifest) stays as it is. `write` False: only shows the difference.
    """
    done: list[Imported] = []
    try:
        with fleet.database.writing() as session:
            done.append(_import(fleet, session, scan.found, _Asked(rules, runtime, reason)))
            if not write:
                raise _NotForRealError
    except _NotForRealError:
        return replace(done[0], written=False)
    return done[0]


def with_known_env(fleet: Services, scan: Scan) -> Scan:
    """The scan; services with a variable whose value stands neither in their file nor in the fleet are problems of it."""
    asking = {one.service.id: one for one in scan.found if one.draft.kept_env}
    with fleet.database.reading() as session:
        known = fleet.known(session, list(asking))
    bad = []
    for name, one in asking.items():
        there = {*one.service.env, *(known[name].env if name in known else ())}
        if absent := [variable for variable in one.draft.kept_env if variable not in there]:
            reason = f"{name}: no value is known of {', '.join(absent)}: give it in env, or export --with-secrets"
            bad.append((name, Problem(file=one.draft.file, line=one.draft.line, reason=reason)))
    left_out = {name for name, _ in bad}
    found = tuple(one for one in scan.found if one.service.id not in left_out)
    return replace(scan, found=found, problems=(*scan.problems, *(problem for _, problem in bad)))


@dataclass(frozen=True, slots=True)
class _Asked:
    rules: Rules
    runtime: RuntimeName | None
    reason: str


def _import(fleet: Services, session: Transaction, found: Sequence[Found], asked: _Asked) -> Imported:
    partial = [one.service.id for one in found if one.draft.silent or one.draft.kept_env]
    known = fleet.known(session, partial)
    wanted = [_kept(one, known.get(one.service.id)) for one in found]
    comparison = fleet.put_in(session, wanted, who=asked.rules.who, why=asked.reason or "import")
    added = [change.after.id for change in comparison.added]
    choice.of_new(session, added, asked.runtime, asked.rules, reason=asked.reason)
    changed = {change.after.id: change.fields for change in comparison.changed}
    for service in _choices(session, found, frozenset(added), asked):
        changed[service] = (*changed.get(service, ()), "runtime")
    _remember(session, found)
    unchanged = tuple(service for service in comparison.unchanged if service not in changed)
    return Imported(written=True, added=tuple(added), changed=changed, unchanged=unchanged)


def _remember(session: Transaction, found: Sequence[Found]) -> None:
    """Which of the files name a runtime: finalize lists them."""
    naming = [one.draft for one in found if one.draft.runtime is not None]
    times = Counter(draft.file for draft in naming)
    keys = {draft.file: draft.runtime_key for draft in reversed(naming)}
    named = [Named(path=str(file.resolve()), key=keys[file], times=count) for file, count in times.items()]
    manifests.remember(session, {str(file.resolve()) for file in {one.draft.file for one in found}}, named)


def _choices(session: Transaction, found: Sequence[Found], added: frozenset[str], asked: _Asked) -> Iterator[str]:
    """Writes what files say of the runtime; services that were there before and changed by it."""
    for one in found:
        if one.draft.runtime is not None:
            reason = f"manifest {one.draft.file.resolve()}"
            changed = choice.by_manifest(session, one.service.id, one.draft.runtime, asked.rules, reason=reason)
            if changed and one.service.id not in added:
                yield one.service.id


def _kept(one: Found, known: Service | None) -> Service:
    """The service as its file says, and in what that kind of file cannot tell, as it was."""
    if known is None:
        return one.service
    kept = {name: known.env[name] for name in one.draft.kept_env if name in known.env}
    service = replace(one.service, env={**kept, **one.service.env}) if kept else one.service
    if not one.draft.silent:
        return service
    labels = {key: value for key, value in known.labels.items() if not key.startswith(OF_MANIFESTS)}
    silent = {field: getattr(known, field) for field in one.draft.silent}
    return replace(service, **silent, labels={**labels, **service.labels})
