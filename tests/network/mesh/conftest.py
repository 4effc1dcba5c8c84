"""A mesh for each test, of which nothing is left."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from rollout.network.mesh.mesh import Mesh

collect_ignore_glob = [] if sys.platform == "linux" else ["test_mesh*"]
"""Elsewhere not even its libraries are installed."""


@pytest.fixture
def mesh(tmp_path: Path) -> Iterator["Mesh"]:
    from tests.network.mesh.mesh_rigs import closing

    with closing(tmp_path) as mesh:
        yield mesh
