"""Containers of a home, looked for on an engine by their labels alone: what we remember of them may be gone."""

from collections.abc import Iterator
from dataclasses import dataclass

from rollout.runtimes.engines.container_api import ContainerApi
from rollout.runtimes.engines.labels import INSTANCE, SANDBOX, Labels

REMOVE_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelled:
    """A container with the labels of a home; `container` is the engine's own id of it. `instance` is empty where it says none."""

    container: str
    name: str
    instance: str
    service: str
    sandbox: bool


def labelled(api: ContainerApi, labels: Labels) -> Iterator[Labelled]:
    """All containers of this home that the engine has, running or not. AwayError where it does not answer."""
    listed = api.ask("GET", "/containers/json", params={"all": "true", "filters": labels.filters()}).data or []
    for one in listed:
        told = one.get("Labels") or {}
        names = one.get("Names") or [one["Id"]]
        yield Labelled(
            container=str(one["Id"]),
            name=str(names[0]).lstrip("/"),
            instance=str(told.get(INSTANCE, "")),
            service=str(told.get("rollout.service", "")),
            sandbox=SANDBOX in told,
        )


def remove(api: ContainerApi, container: str) -> None:
    """It does not run and is not there, with what only it had mounted. Idempotent."""
    api.ask("DELETE", f"/containers/{container}", params={"force": "true", "v": "true"}, timeout_s=REMOVE_S)
