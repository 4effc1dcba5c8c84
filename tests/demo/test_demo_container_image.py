"""The image of the sample services holds all that they need: unpacked anywhere, they run from its files alone."""

import io
import json
import os
import re
import subprocess
import tarfile
from pathlib import Path

from rollout.demo.container_image import archive, rootfs
from rollout.demo.services import Body, parts
from rollout.model.fleet import EngineName

TAG = "localhost/rollout/0/sample:demo"


def unpacked(tmp_path: Path) -> list[str]:
    """What runs the sample from the image, unpacked here."""
    root = rootfs()
    with tarfile.open(fileobj=io.BytesIO(archive(TAG, root))) as image:
        (told,) = json.load(image.extractfile("manifest.json") or io.BytesIO())
        assert told["RepoTags"] == [TAG]
        layer = io.BytesIO((image.extractfile(told["Layers"][0]) or io.BytesIO()).read())
    with tarfile.open(fileobj=layer) as files:
        files.extractall(tmp_path, filter="tar")
    return [f"{tmp_path}{word}" if word.startswith("/") else word for word in root.argv]


def test_the_sample_runs_from_the_files_of_the_image_alone(tmp_path: Path) -> None:
    argv = unpacked(tmp_path)
    worker = subprocess.Popen([*argv, "worker"], stdout=subprocess.PIPE, text=True, env={})
    try:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "legacy: finished piece 1\n"
        mapped = [line.split()[5] for line in Path(f"/proc/{worker.pid}/maps").read_text().splitlines() if ".so" in line]
        assert mapped
        assert all(os.path.realpath(path).startswith(os.path.realpath(tmp_path)) for path in mapped)
        worker.terminate()
        assert worker.wait(20) == 0
    finally:
        worker.kill()
        worker.communicate()


def test_nothing_is_compiled_again_when_it_starts(tmp_path: Path) -> None:
    argv = unpacked(tmp_path)
    isolated = argv.index("-I")
    started = subprocess.run([*argv[:isolated], "-v", *argv[isolated:], "--help"], capture_output=True, text=True, check=True)
    loaded = re.findall(rf"# code object from '{tmp_path}.*?\.(pyc?)'", started.stderr)
    assert set(loaded) == {"pyc"}, started.stderr


def test_in_containers_all_services_run_the_image_and_its_program(tmp_path: Path) -> None:
    body = Body(program=("python", "/sample.py"), engine=EngineName.CONTAINERS, image=TAG, apart=True)
    fleet = parts(tmp_path, body=body)
    assert {(part.service.image, part.service.engine) for part in fleet} == {(TAG, EngineName.CONTAINERS)}
    commands = [part.service.command or () for part in fleet]
    assert {command[:2] for command in commands} == {body.program}
    assert not any(str(tmp_path) in word for command in commands for word in command)
    assert [part.service.volumes for part in fleet if part.service.volumes] == [(f"{tmp_path}:/data",)]
