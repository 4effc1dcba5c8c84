"""One look at the health of a copy: its processes live, and every replica answers at its own address."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from rollout.executor.ports import Copy
from rollout.model.fleet import Kind, Service
from rollout.model.policy import HealthGate
from rollout.network.ask import Answer, Question

LONGEST_S = 2.0
"""One replica may take so long to answer one look (seconds)."""
AT_ONCE = 8
"""So many replicas of a copy are asked at the same time."""

Ask = Callable[[str, Question], Answer]


@dataclass(frozen=True, slots=True)
class Finding:
    """What one look found. `dead`: a process of the copy has ended, so that waiting is no use.

    `refused`: its processes live, and every bad answer was a refused connection.
    """

    good: bool
    said: str
    dead: bool = False
    refused: bool = False


def probe(copy: Copy | None, spec: Service, rules: HealthGate, ask: Ask) -> Finding:
    """Good when all replicas are. HTTP where there is a health path, else a TCP connection; a worker is asked nothing."""
    if copy is None:
        return Finding(False, "it does not run", dead=True)
    if not copy.alive:
        code = "" if copy.exit_code is None else f", exit code {copy.exit_code}"
        return Finding(False, f"{copy.running} of {copy.wanted} replicas run{code}", dead=True)
    if spec.kind in {Kind.WORKER, Kind.CRON}:
        return Finding(True, "alive")
    if len(copy.addresses) < copy.wanted:
        return Finding(False, f"{len(copy.addresses)} of {copy.wanted} replicas can be reached")
    question = Question(
        path=spec.health_path,
        host_name=spec.host_name,
        timeout_s=min(LONGEST_S, spec.health_timeout_s),
        status_max=rules.status_max,
        body_contains=rules.body_contains if spec.health_path else None,
    )
    answers = list(zip(copy.addresses, _all(copy.addresses, question, ask), strict=True))
    bad = [(address, answer) for address, answer in answers if not answer.good]
    if not bad:
        return Finding(True, answers[0][1].said)
    said = ", ".join(f"{address}: {answer.said}" for address, answer in bad)
    return Finding(False, said, refused=all(answer.refused for _, answer in bad))


def _all(addresses: Sequence[str], question: Question, ask: Ask) -> list[Answer]:
    """What each says, in their order; one that hangs does not keep the others waiting."""
    if len(addresses) < 2:
        return [ask(address, question) for address in addresses]
    with ThreadPoolExecutor(min(len(addresses), AT_ONCE), "ask") as pool:
        return list(pool.map(lambda address: ask(address, question), addresses))
