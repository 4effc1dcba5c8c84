"""Files of addresses: each leads to one name, and is taken away only from that."""

import errno
import os
from pathlib import Path

import pytest

from rollout.edge.addresses import Addresses
from rollout.errors import BrokenError

ADDRESS, NAME = "fd12:3456:789a:1:5::7", "api.shop.internal"


@pytest.fixture
def addresses(tmp_path: Path) -> Addresses:
    made = Addresses(tmp_path / "addresses")
    made.prepare()
    return made


def test_what_is_written_is_read_until_its_owner_goes(addresses: Addresses) -> None:
    assert addresses.read(ADDRESS) is None
    addresses.write(ADDRESS, "old.shop.internal")
    addresses.write(ADDRESS, NAME)
    addresses.remove(ADDRESS, "old.shop.internal")
    assert addresses.read(ADDRESS) == NAME
    assert os.listdir(addresses.folder) == [ADDRESS]
    addresses.remove(ADDRESS, NAME)
    addresses.remove(ADDRESS, NAME)
    assert addresses.read(ADDRESS) is None


def test_on_a_full_disk_what_stands_already_is_no_error(addresses: Addresses, monkeypatch: pytest.MonkeyPatch) -> None:
    addresses.write(ADDRESS, NAME)

    def full(*_values: object, **_more: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_text", full)
    addresses.write(ADDRESS, NAME)
    with pytest.raises(BrokenError, match="No space left"):
        addresses.write(ADDRESS, "other.shop.internal")
    assert addresses.read(ADDRESS) == NAME
