"""References as people write them, and how an image is told."""

import pytest

from rollout.errors import UsageError
from rollout.model.image import Form, ImageDigest, Reference, shortly, told

A, B = f"sha256:{'a' * 64}", f"sha256:{'b' * 64}"

GOOD = {
    "oci:/srv/web": (Form.OCI, "/srv/web", "", ""),
    "oci:/srv/web:1.2": (Form.OCI, "/srv/web", "1.2", ""),
    "oci:/srv/web:shop/web:1.2": (Form.OCI, "/srv/web", "shop/web:1.2", ""),
    "oci-archive:/srv/web.tar:1": (Form.OCI_ARCHIVE, "/srv/web.tar", "1", ""),
    "docker-archive:/srv/web.tar:web:1": (Form.DOCKER_ARCHIVE, "/srv/web.tar", "web:1", ""),
    "registry.example:5000/shop/web:1": (Form.REGISTRY, "registry.example:5000/shop/web", "1", ""),
    "127.0.0.1:5000/web": (Form.REGISTRY, "127.0.0.1:5000/web", "", ""),
    "[::1]:5000/web:1": (Form.REGISTRY, "[::1]:5000/web", "1", ""),
    f"docker.io/library/web@{A}": (Form.REGISTRY, "docker.io/library/web", "", A),
    f"registry.example/web:1@{A}": (Form.REGISTRY, "registry.example/web", "1", A),
    "web": (Form.ENGINE, "web", "", ""),
    "shop/web:1": (Form.ENGINE, "shop/web", "1", ""),
    "localhost/web:1": (Form.ENGINE, "localhost/web", "1", ""),
    f"web@{A}": (Form.ENGINE, "web", "", A),
    A: (Form.ENGINE, "", "", A),
}
BAD = {
    "": "no name of an image",
    "Web": "no name of an image",
    "a b": "no name of an image",
    "-web": "no name of an image",
    "../web": "no name of an image",
    "web/": "no name of an image",
    "web:": "no tag",
    "web:a b": "no tag",
    "web@sha256:12": "no digest in full",
    f"web@sha1:{'a' * 40}": "no digest in full",
    "oci:web": "must be absolute",
    "oci:": "must be absolute",
    "docker-archive:web.tar": "must be absolute",
    "oci:/srv/w\neb": "cannot be shown",
    f"{'a' * 256}:1": "no name of an image",
    "https://registry.example/web": "no name of an image",
}


@pytest.mark.parametrize("text", GOOD)
def test_it_is_read_as_it_is_written(text: str) -> None:
    found = Reference.parse(text)
    assert (found.form, found.place, found.tag, found.digest) == GOOD[text]


@pytest.mark.parametrize("text", BAD)
def test_what_is_no_reference_is_told(text: str) -> None:
    with pytest.raises(UsageError, match=BAD[text]) as caught:
        Reference.parse(text)
    assert caught.value.then


def test_a_registry_is_named_only_by_what_looks_like_a_host() -> None:
    registries = {text: Reference.parse(text).registry for text in GOOD}
    assert {name for name in registries.values() if name} == {
        *("registry.example:5000", "127.0.0.1:5000", "[::1]:5000", "docker.io", "registry.example"),
    }


def test_a_short_name_has_only_what_a_name_on_an_engine_may_have() -> None:
    words = {"oci:/srv/My_Web.v2:1": "my-web-v2", "oci:/srv/..": "image", "web@" + A: "web", "docker-archive:/a/web.tar": "web"}
    assert {text: Reference.parse(text).word for text in words} == words


def test_an_image_is_told_by_its_name_and_the_begin_of_its_digest() -> None:
    image = ImageDigest(digest=A, config=B)
    assert told("shop/web:1", image) == f"shop/web@sha256:{'a' * 12}"
    assert told("oci:/srv/web:1", image, whole=True) == f"oci:/srv/web@{A}"
    assert (told(None, image), told("web:1", None)) == ("", "")
    assert told(A, image) == f"sha256:{'a' * 12}" == shortly(told(A, image, whole=True))
    assert shortly(f"shop/web@{A}") == f"shop/web@sha256:{'a' * 12}"
