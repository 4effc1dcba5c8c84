"""Volumes as people write them."""

import pytest

from rollout.model.volumes import Mount, mount, written


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("data:/data", Mount("data", "/data")),
        ("my_Data.1:/data:ro", Mount("my_Data.1", "/data", read_only=True)),
        ("/srv/a b:/data:rw", Mount("/srv/a b", "/data")),
        ("/srv:/data:ro,cached", Mount("/srv", "/data", read_only=True)),
        ("/var/lib/db", Mount("api-var-lib-db-f22b3fc2", "/var/lib/db")),
    ],
)
def test_what_is_mounted_where(text: str, wanted: Mount) -> None:
    assert mount(text, "api") == wanted
    assert wanted.named == (not text.startswith("/srv"))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "data",
        "data:",
        ":/data",
        "data:data",
        "data:/",
        "/",
        "a:/b:c:d",
        "data:/data:z",
        "..:/x",
        "./a:/x",
        "a/b:/x",
        "é:/x",
        "a\n:/x",
    ],
)
def test_what_cannot_be_mounted(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not \[|no name of a volume|cannot be kept"):
        mount(text, "api")


def test_one_that_is_only_read_may_be_mounted_by_many_copies() -> None:
    assert written(("data:/data", "conf:/conf:ro", "/srv:/srv:rw", "/own", "no volume"), "api") == [
        "data:/data",
        "/srv:/srv:rw",
        "/own",
    ]
