"""The waves and exclusions of stored plans, in parts: one wave is read without its plan."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache

from sqlalchemy import ColumnElement, select
from sqlmodel import Session

from rollout.errors import StaleError
from rollout.model.plan import Exclusion, Plan, Wave
from rollout.planner.seal import SEALS, exclusions_text, seals, wave_text
from rollout.planner.unseal import exclusion_of, plan_of, wave_of
from rollout.store.bulk import insert_rows, tuples
from rollout.store.tables import MAIN

PART = MAIN.tables["plan_part"]
AT_ONCE = 500
COLUMNS = ("plan", "position", "wave", "sha256", "text")


def put(session: Session, plan: Plan) -> None:
    """The plan has these parts, its waves first."""
    rows = ((plan.id, place, wave, _hash(text), text) for place, (wave, text) in enumerate(_parts(plan)))
    insert_rows(session, PART, COLUMNS, rows, at_once=AT_ONCE)


def wave(session: Session, number: int) -> Wave:
    """The wave as it was planned. StaleError where it was changed by hand."""
    found = session.execute(select(PART.c.plan, PART.c.sha256, PART.c.text).where(PART.c.wave == number)).one()
    if _hash(found.text) != found.sha256:
        raise StaleError(f"{found.plan} is not what was planned: the hash of wave-{number} does not match", then="rollout plan")
    return _told(found.text)


def alone(session: Session, number: int, body: str) -> Plan:
    """The plan whose other members stand in `body`, with this wave alone and no exclusion. StaleError as `wave`."""
    return replace(plan_of(json.loads(body)), waves=(wave(session, number),))


def whole(session: Session, plan: str, body: str) -> Plan:
    """The plan of this id, whose other members stand in `body`. StaleError where any of it was changed by hand."""
    waves: list[Wave] = []
    excluded: list[Exclusion] = []

    def wave_texts() -> Iterator[str]:
        for text in _read(session, plan, PART.c.wave.is_not(None)):
            waves.append(wave_of(json.loads(text)))
            yield text

    def exclusion_texts() -> Iterator[str]:
        for text in _read(session, plan, PART.c.wave.is_(None)):
            excluded.extend(map(exclusion_of, json.loads(text)))
            yield text[1:-1]

    try:
        few = json.loads(body)
        good = seals(few, exclusion_texts(), wave_texts()) == {seal: few[seal] for seal in SEALS} and few["id"] == plan
        found = replace(plan_of(few), waves=tuple(waves), excluded=tuple(excluded)) if good else None
    except (ValueError, TypeError, KeyError):
        found = None
    if found is None:
        raise StaleError(f"{plan} is not what was planned: its hash does not match", then="rollout plan")
    return found


def _read(session: Session, plan: str, which: ColumnElement[bool]) -> Iterator[str]:
    query = select(PART.c.text).where(PART.c.plan == plan, which).order_by(PART.c.position)
    for (text,) in tuples(session, query, at_once=AT_ONCE):
        yield text


def _parts(plan: Plan) -> Iterator[tuple[int | None, str]]:
    for each in plan.waves:
        yield each.number, wave_text(each)
    for text in exclusions_text(plan.excluded):
        yield None, f"[{text}]"


@lru_cache(maxsize=2)
def _told(text: str) -> Wave:
    """Read once: who drives a wave asks for it several times."""
    return wave_of(json.loads(text))


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
