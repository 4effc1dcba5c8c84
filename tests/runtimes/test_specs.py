"""From a service to the instances of it: what bounds them, what they mount, and what cannot be mounted."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from rollout.errors import UsageError
from rollout.executor.ports import Order
from rollout.host.ports import PIDS_MAX
from rollout.model.fleet import EngineName, Release, RuntimeName, Service, Tier
from rollout.runtimes.specs import check_image, instances

API = Service(name="api", environment="shop", customer="acme", tier=Tier.PRO, image="img", engine=EngineName.DOCKER)


def order(spec: Service) -> Order:
    release = Release(service=spec.id, number=1, created=datetime(2024, 6, 4, tzinfo=UTC), created_by="ann", spec=spec)
    return Order(release=release, runtime=RuntimeName.V2, token="t", fence=1, replicas=spec.replicas, deadline_s=1.0)


def test_every_bound_of_a_service_is_one_of_its_copies() -> None:
    bounded = replace(
        API, memory_mb=64, cpus=0.5, pids_max=9, read_only=True, stop_signal="SIGINT", volumes=("a:/a",), replicas=2
    )
    for one in instances(order(bounded)):
        assert (one.memory_mb, one.cpus, one.pids_max, one.read_only) == (64, 0.5, 9, True)
        assert (one.stop_signal, one.volumes) == ("SIGINT", ("a:/a",))
    plain = instances(order(API))[0]
    assert (plain.memory_mb, plain.cpus, plain.pids_max, plain.read_only) == (None, None, PIDS_MAX, False)
    assert (plain.stop_signal, plain.volumes) == ("", ())


def test_a_plain_process_mounts_nothing_and_keeps_its_signal() -> None:
    process = replace(API, engine=EngineName.PROCESS, command="run", volumes=("a:/a",), stop_signal="SIGINT")
    one = instances(order(process))[0]
    assert (one.volumes, one.stop_signal) == ((), "SIGINT")


def test_a_volume_that_cannot_be_mounted_is_told_before_anything_is_stopped(tmp_path: Path) -> None:
    check_image(replace(API, volumes=("data:/data", f"{tmp_path}:/x:ro")))
    with pytest.raises(UsageError, match=r"shop/api: the volume 'data:data' is not \[NAME or /FOLDER\]:/PATH\[:ro\]") as told:
        check_image(replace(API, volumes=("data:data",)))
    assert "rollout service set shop/api --volume NAME:/PATH" in told.value.then
    with pytest.raises(UsageError, match="none, which it mounts at /x, is not on this host") as told:
        check_image(replace(API, volumes=(f"{tmp_path}/none:/x",)))
    assert told.value.then.startswith(f"mkdir -p {tmp_path}/none")
