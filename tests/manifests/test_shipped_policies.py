"""The shipped policies have one source, `plans/`, and are found in the tree and in an installed wheel."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from rollout.manifests import policy

ROOT = Path(__file__).parents[2]
BUILD = "import sys; from hatchling.build import build_wheel; print(build_wheel(sys.argv[1]))"
SHOW = "from rollout.manifests import policy; print(policy.folder(), *policy.shipped()); policy.default()"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    built = subprocess.run([sys.executable, "-c", BUILD, str(folder)], cwd=ROOT, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    return folder / built.stdout.split()[-1]


def test_the_tree_has_them_in_plans() -> None:
    assert Path(str(policy.folder())) == ROOT / "plans"
    assert list(policy.shipped()) == ["default", "demo", "runtime-v2"]


def test_the_wheel_has_the_same_bytes_and_nothing_beside_the_package(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        for source in (ROOT / "plans").glob("*.toml"):
            assert archive.read(f"rollout/plans/{source.name}") == source.read_bytes()
    assert {name.partition("/")[0].partition("-")[0] for name in names} == {"rollout"}
    packaged = {n for n in names if n.startswith("rollout/") and not n.startswith("rollout/plans/")}
    wanted = {str(p.relative_to(ROOT)) for p in (ROOT / "rollout").rglob("*") if p.is_file() and "__pycache__" not in p.parts}
    assert packaged == wanted


def test_an_installed_wheel_finds_them_in_itself(wheel: Path, tmp_path: Path) -> None:
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    clean = {**os.environ, "PYTHONPATH": str(tmp_path / "site")}
    shown = subprocess.run([sys.executable, "-c", SHOW], cwd=tmp_path, env=clean, capture_output=True, text=True, check=False)
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.split() == [str(tmp_path / "site" / "rollout" / "plans"), "default", "demo", "runtime-v2"]
