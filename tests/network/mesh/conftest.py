"""A mesh for each test, of which nothing is left."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from rollout.network.mesh.mesh import Mesh
from tests.network.mesh.mesh_rigs import closing


@pytest.fixture
def mesh(tmp_path: Path) -> Iterator[Mesh]:
    with closing(tmp_path) as mesh:
        yield mesh
