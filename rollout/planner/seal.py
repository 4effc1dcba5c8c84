"""The identity of a plan: its bytes, its hash, its id, and what makes two plans the same.

A fleet has a million moves. So the bytes are made piece by piece and never stand in memory as one, and the JSON of a move is
written down here and not by a general encoder; a test compares the two.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from itertools import islice
from json.encoder import encode_basestring as quoted
from typing import Any

from rollout.model.fleet import Kind
from rollout.model.plain import canonical, to_plain
from rollout.model.plan import Exclusion, Plan, PlannedMove, Strategy, Wave

SEALS = ("id", "sha256", "content")
_AT_ONCE = 1000


def sealed(plan: Plan) -> Plan:
    """The plan with its hash, its id (`plan-` and the hash's first eight digits), and the hash of its content."""
    found = seals(_few(plan), exclusions_text(plan.excluded), map(wave_text, plan.waves))
    return replace(plan, id=found["id"], sha256=found["sha256"], content=found["content"])


def seals(few: Mapping[str, Any], excluded: Iterable[str], waves: Iterable[str]) -> dict[str, str]:
    """The seals of a plan: `few` are its other members in plain form, `excluded` and `waves` texts of their JSON."""
    whole, does = hashlib.sha256(), hashlib.sha256(str(few["policy_hash"]).encode())

    def told() -> Iterator[str]:
        for wave in waves:
            does.update(_unnumbered(wave).encode())
            yield wave

    for text in _pieces({key: value for key, value in few.items() if key not in SEALS}, excluded, told()):
        whole.update(text.encode())
    digest = whole.hexdigest()
    return {"id": f"plan-{digest[:8]}", "sha256": digest, "content": does.hexdigest()}


def numbered(plan: Plan, first: int) -> Plan:
    """The same plan with waves from number `first` on, sealed again."""
    waves = tuple(replace(wave, number=first + index) for index, wave in enumerate(plan.waves))
    return sealed(replace(plan, waves=waves))


def texts(plan: Plan) -> Iterator[str]:
    """The canonical JSON of a sealed plan, piece by piece."""
    return _pieces(_few(plan), exclusions_text(plan.excluded), map(wave_text, plan.waves))


def encoded(plan: Plan) -> bytes:
    """The canonical JSON of a sealed plan."""
    return "".join(texts(plan)).encode()


def genuine(body: Mapping[str, Any]) -> bool:
    """Whether the plain form of a plan is what its seals say."""
    excluded = (canonical(one).decode() for one in body["excluded"])
    found = seals(body, excluded, (canonical(wave).decode() for wave in body["waves"]))
    return all(body.get(seal) == said for seal, said in found.items())


def wave_text(wave: Wave) -> str:
    """The canonical JSON of a wave: made once, since it is sealed, and then stored."""
    if not wave.text:
        moves = ",".join([_move(move) for move in wave.moves])
        boarding = "true" if wave.boarding else "false"
        text = f'{{"boarding":{boarding},"moves":[{moves}],"number":{wave.number},"tier":"{wave.tier}"}}'
        object.__setattr__(wave, "text", text)
    return wave.text


def exclusions_text(excluded: Iterable[Exclusion]) -> Iterator[str]:
    """The canonical JSON of exclusions with commas between them, some at a time."""
    texts = map(_exclusion, excluded)
    while some := list(islice(texts, _AT_ONCE)):
        yield ",".join(some)


def _unnumbered(wave: str) -> str:
    """A wave's JSON up to its number, which comes after all that it does; its moves tell their tier."""
    return wave.rpartition(',"number":')[0]


def _few(plan: Plan) -> dict[str, Any]:
    few: dict[str, Any] = to_plain(replace(plan, waves=(), excluded=()))
    return few


def _pieces(few: Mapping[str, Any], excluded: Iterable[str], waves: Iterable[str]) -> Iterator[str]:
    """The canonical JSON of a plan, piece by piece: sorted keys, no blanks. Arguments as of `seals`."""
    long = {"excluded": excluded, "waves": waves}
    for place, key in enumerate(sorted(few)):
        yield f'{"," if place else "{"}"{key}":'
        yield from _listed(long[key]) if key in long else (canonical(few[key]).decode(),)
    yield "}"


def _listed(texts: Iterable[str]) -> Iterator[str]:
    before = "["
    for text in texts:
        yield before + text
        before = ","
    yield "]" if before == "," else "[]"


def _move(move: PlannedMove) -> str:
    service, customer, environment, kind, how, expected_s, downtime_s, before, why = move
    settings_hash, tier, runtime, pinned, release, image = before
    first, second, last = _way(downtime_s, expected_s, kind, how)
    known = "null" if release is None else release
    return (
        f'{{"customer":{quoted(customer)}{first}{quoted(environment)}{second}{quoted(image)},'
        f'"pinned":{"true" if pinned else "false"},"release":{known},"runtime":"{runtime!s}",'
        f'"settings_hash":{quoted(settings_hash)},"tier":"{tier!s}"}},"service":{quoted(service)}{last}{quoted(why)}}}'
    )


@lru_cache(maxsize=10_000, typed=True)
def _way(downtime_s: float, expected_s: float, kind: Kind, how: Strategy) -> tuple[str, str, str]:
    """What a fleet's moves say of their way, with what stands around it: made once for all that go the same.

    Typed, since 300 and 300.0 are equal and have different texts.
    """
    return (
        f',"downtime_s":{downtime_s},"environment":',
        f',"expected_s":{expected_s},"kind":"{kind}","precondition":{{"image":',
        f',"strategy":"{how}","why":',
    )


def _exclusion(one: Exclusion) -> str:
    return f'{{"detail":{quoted(one.detail)},"reason":"{one.reason}","service":{quoted(one.service)},"tier":"{one.tier}"}}'
