"""The program that is made by hand. That it enters a namespace and stays there is tested with a real Docker."""

import errno
import hashlib
import io
import json
import platform
import subprocess
import tarfile
from pathlib import Path

import pytest

from rollout.runtimes.engines import sandbox


def test_it_runs_here_and_says_what_went_wrong(tmp_path: Path) -> None:
    """Nothing is bound in the place of the namespace: there is no descriptor to enter it by."""
    made = tmp_path / "sandbox"
    made.write_bytes(sandbox.program(platform.machine()))
    made.chmod(0o755)
    assert not Path(sandbox.NAMESPACE).exists()
    assert subprocess.run([made], timeout=10, check=False).returncode == errno.EBADF


@pytest.mark.parametrize(
    ("machine", "digest"),
    [
        ("x86_64", "03786aaaf9dddfa893bd6565368254a89298772ba3abb582892af4b4bd835ba7"),
        ("aarch64", "299269eb3fc7d9af6cbbad2b531c168cdec133fca72e3a3a8b45641050d917d5"),
    ],
)
def test_they_are_the_bytes_that_were_tried(machine: str, digest: str) -> None:
    """Both were run: openat, setns, then waiting for ever; the second under qemu-aarch64 7.2, with its calls traced."""
    assert hashlib.sha256(sandbox.program(machine)).hexdigest() == digest


@pytest.mark.parametrize("machine", sandbox.MACHINES)
def test_its_image_holds_the_program_alone_and_is_named_by_its_content(machine: str) -> None:
    name, archive = sandbox.image(machine)
    assert sandbox.image(machine) == (name, archive)
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        content = {member.name: tar.extractfile(member).read() for member in tar}  # type: ignore[union-attr]  # all are files
    told = json.loads(content["manifest.json"])[0]
    assert told["RepoTags"] == [name]
    assert name.partition(":")[2] == hashlib.sha256(content[told["Config"]]).hexdigest()[:12]
    with tarfile.open(fileobj=io.BytesIO(content["layer.tar"])) as layer:
        assert {member.name: member.size for member in layer} == {
            "sandbox": len(sandbox.program(machine)),
            "namespace": 0,
        }


def test_a_machine_of_another_kind_is_not_guessed() -> None:
    with pytest.raises(KeyError):
        sandbox.image("riscv64")
