"""Layers that were judged before are not read again; whatever is different about them is judged anew."""

import json
from pathlib import Path

import pytest

from rollout.errors import ImageRefusedError
from rollout.runtimes.images.image import Image
from rollout.runtimes.images.known import KnownLayers, of_rules
from rollout.runtimes.images.limits import Limits
from rollout.runtimes.images.read import read_image
from rollout.runtimes.images.reason import Reason
from tests.runtimes.images.builder import END, GOOD, LAYER, Layout, entry, made, sha, zipped
from tests.runtimes.images.conftest import AMD64 as HERE

TAR = GOOD + END
BAD = entry(b"../out") + END


@pytest.fixture
def known(tmp_path: Path) -> KnownLayers:
    return KnownLayers(tmp_path / "judged")


def read(path: Path, known: KnownLayers, **more: Limits) -> Image:
    return read_image(path, platform=HERE, known=known, **more)


def blob(folder: Path, data: bytes) -> Path:
    return folder / "blobs" / "sha256" / sha(data).removeprefix("sha256:")


def spoiled(folder: Path, data: bytes) -> None:
    """The blob is another one, as long as it was."""
    blob(folder, data).write_bytes(bytes(len(data)))


def refused(path: Path, known: KnownLayers, reason: Reason, **more: Limits) -> None:
    with pytest.raises(ImageRefusedError) as caught:
        read(path, known, **more)
    assert caught.value.reason == reason


def records(folder: Path) -> list[Path]:
    return sorted((folder / "judged").iterdir())


def test_a_layer_that_was_judged_is_told_as_before_and_not_read(tmp_path: Path, known: KnownLayers) -> None:
    folder = made(tmp_path / "web", TAR, TAR)
    first = read(folder, known)
    spoiled(folder, TAR)
    assert read(folder, KnownLayers(tmp_path / "judged")) == first
    with pytest.raises(ImageRefusedError, match="in truth"):
        read_image(folder, platform=HERE)


def test_only_the_new_layer_of_another_image_is_read(tmp_path: Path, known: KnownLayers) -> None:
    read(made(tmp_path / "one", TAR), known)
    two = made(tmp_path / "two", TAR, BAD)
    spoiled(two, TAR)
    refused(two, known, Reason.TRAVERSAL)
    assert len(records(tmp_path)) == 1, "what was refused is not remembered"
    refused(two, known, Reason.TRAVERSAL)


def test_a_layer_that_is_gone_or_cut_is_told_though_it_is_known(tmp_path: Path, known: KnownLayers) -> None:
    folder = made(tmp_path / "web", TAR)
    read(folder, known)
    blob(folder, TAR).write_bytes(TAR[:-1])
    refused(folder, known, Reason.WRONG_SIZE)
    blob(folder, TAR).unlink()
    refused(folder, known, Reason.MISSING)


def test_the_same_digest_with_other_claims_is_judged(tmp_path: Path, known: KnownLayers) -> None:
    packed, other = zipped(TAR), entry(b"other") + END
    layout = Layout(tmp_path / "web")
    good, diff_id = layout.layer(TAR, packed=packed, suffix="+gzip")
    layout.index(layout.manifest(layout.config([diff_id]), [good]))
    read(layout.folder, known)
    layout.index(layout.manifest(layout.config([sha(other)]), [good]))
    refused(layout.folder, known, Reason.WRONG_DIFF_ID)
    layout.index(layout.manifest(layout.config([diff_id]), [{**good, "mediaType": LAYER}]))
    refused(layout.folder, known, Reason.NOT_COMPRESSED_SO)
    blob(layout.folder, packed).write_bytes(packed + b"\0")
    layout.index(layout.manifest(layout.config([diff_id]), [{**good, "size": len(packed) + 1}]))
    refused(layout.folder, known, Reason.WRONG_DIGEST)


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        (Limits(layer_bytes=len(TAR) - 1), Reason.TOO_LARGE),
        (Limits(image_bytes=2 * len(TAR) - 1), Reason.TOO_LARGE),
        (Limits(files=3), Reason.TOO_MANY),
    ],
)
def test_known_layers_count_against_the_limits(tmp_path: Path, known: KnownLayers, limits: Limits, reason: Reason) -> None:
    folder = made(tmp_path / "web", TAR, entry(b"more", bytes(512)) + END, entry(b"last") + END)
    read(folder, known)
    refused(folder, known, reason, limits=limits)


def test_other_rules_judge_anew(tmp_path: Path) -> None:
    folder = made(tmp_path / "web", TAR)
    read(folder, KnownLayers(tmp_path / "judged", "of-before"))
    spoiled(folder, TAR)
    assert read(folder, KnownLayers(tmp_path / "judged", "of-before")).layers
    refused(folder, KnownLayers(tmp_path / "judged"), Reason.WRONG_DIGEST)


def test_the_edition_follows_the_text_of_the_rules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = of_rules()
    (tmp_path / "known.py").write_text("other rules")
    monkeypatch.setattr("rollout.runtimes.images.known.__file__", str(tmp_path / "known.py"))
    of_rules.cache_clear()
    try:
        assert of_rules() != now
    finally:
        of_rules.cache_clear()


@pytest.mark.parametrize("told", [b"", b"{", b"[]", b"{}", b'{"digest": 1}', b"\xff", b"[" * 100_000])
def test_a_damaged_record_is_none(tmp_path: Path, known: KnownLayers, told: bytes) -> None:
    folder = made(tmp_path / "web", TAR)
    read(folder, known)
    (record,) = records(tmp_path)
    record.write_bytes(told)
    spoiled(folder, TAR)
    refused(folder, known, Reason.WRONG_DIGEST)


def test_a_record_of_another_layer_is_none(tmp_path: Path, known: KnownLayers) -> None:
    folder = made(tmp_path / "web", TAR)
    read(folder, known)
    (record,) = records(tmp_path)
    record.write_text(json.dumps({**json.loads(record.read_text()), "digest": sha(b"another")}))
    spoiled(folder, TAR)
    refused(folder, known, Reason.WRONG_DIGEST)


def test_records_are_for_their_owner_alone(tmp_path: Path, known: KnownLayers) -> None:
    read(made(tmp_path / "web", TAR), known)
    assert (tmp_path / "judged").stat().st_mode & 0o777 == 0o700
    assert [path.stat().st_mode & 0o777 for path in records(tmp_path)] == [0o600]


def test_what_cannot_be_written_is_judged_again(tmp_path: Path, known: KnownLayers) -> None:
    (tmp_path / "judged").write_text("no folder")
    folder = made(tmp_path / "web", TAR)
    assert read(folder, known) == read(folder, known)
    known.prune()


def test_the_longest_unused_and_those_of_other_rules_are_pruned(tmp_path: Path, known: KnownLayers) -> None:
    tars = [entry(b"%d" % number) + END for number in range(4)]
    folders = [made(tmp_path / f"web{number}", tar) for number, tar in enumerate(tars)]
    read(folders[0], KnownLayers(tmp_path / "judged", "of-before"))
    for folder in (*folders, folders[0]):
        read(folder, known)
    (tmp_path / "judged" / f"{records(tmp_path)[0].name}.1.1").write_text("half a record")
    known.prune(2)
    assert len(records(tmp_path)) == 2
    for folder, tar in zip(folders, tars, strict=True):
        spoiled(folder, tar)
    assert read(folders[0], known).layers
    assert read(folders[3], known).layers
    refused(folders[2], known, Reason.WRONG_DIGEST)
