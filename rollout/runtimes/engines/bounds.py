"""Whether an engine keeps what bounds a container: without root, or without control groups of its own, it may not."""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any

from rollout.errors import BrokenError
from rollout.host.ports import PIDS_MAX, InstanceSpec
from rollout.model.fleet import EngineName
from rollout.runtimes.engines.container_api import ContainerApi


class Bound(StrEnum):
    """What a control group bounds, as the kernel calls it."""

    MEMORY = "memory"
    CPU = "cpu"
    PIDS = "pids"


ALL = frozenset(Bound)
WORDS = {Bound.MEMORY: "memory", Bound.CPU: "processors", Bound.PIDS: "processes"}
_FIELDS = {Bound.MEMORY: "memory_mb", Bound.CPU: "cpus", Bound.PIDS: "pids_max"}
_DOCKER = {Bound.MEMORY: "MemoryLimit", Bound.CPU: "CpuCfsQuota", Bound.PIDS: "PidsLimit"}


def kept(name: EngineName, told: Mapping[str, Any]) -> frozenset[Bound]:
    """What it keeps, from its own words: the answer to `GET /info`."""
    if name is EngineName.DOCKER:
        return frozenset(bound for bound, word in _DOCKER.items() if told.get(word, True))
    host = told["host"]
    if not host.get("security", {}).get("rootless"):
        return ALL
    return ALL & set(host.get("cgroupControllers") or ())


def in_words(bounds: frozenset[Bound]) -> str:
    """`memory, processors and processes`, in that order."""
    words = [word for bound, word in WORDS.items() if bound in bounds]
    return " and ".join([*([", ".join(words[:-1])] if words[1:] else []), *words[-1:]])


def refuse_what_is_not_kept(name: EngineName, api: ContainerApi, spec: InstanceSpec) -> None:
    """BrokenError where the instance asks for a limit that the engine would pass over in silence: one that is not kept is none.

    What bounds every container, asked for or not, is passed over where it cannot be kept.
    """
    asked = frozenset(_asked(spec))
    if not asked or not (lost := asked - kept(name, api.ask("GET", "/info").data)):
        return
    fields = " ".join(f"--unset {_FIELDS[bound]}" for bound in Bound if bound in lost)
    raise BrokenError(
        f"{spec.service}: its limit of {in_words(lost)} is not kept by {name} here, which has no control groups of its own",
        state=f"nothing of {spec.id} runs",
        then=f"run rollout as root, or give up the limit: rollout service set {spec.service} {fields}",
    )


def _asked(spec: InstanceSpec) -> Iterator[Bound]:
    if spec.memory_mb:
        yield Bound.MEMORY
    if spec.cpus:
        yield Bound.CPU
    if spec.pids_max != PIDS_MAX:
        yield Bound.PIDS
