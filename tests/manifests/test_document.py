"""The formats that people write, each with the line of its faults and of its places."""

from pathlib import Path

import pytest

from rollout.errors import UsageError
from rollout.manifests import env_file
from rollout.manifests.document import parse, read_bytes
from rollout.manifests.problem import FileProblemError

TOML = b"""\xef\xbb\xbftop = 1
[deploy]
# numReplicas = 9
numReplicas = 2
[[services]]
name = "a"
[[services]]
name = "b"
"tier" = "pro"
"""
YAML = b"""top: 1
deploy:
  numReplicas: 2
services:
  - name: a
  - name: b
    tier: pro
"""
JSON = b"""{"top": 1,
"deploy": {
 "numReplicas": 2},
"services": [
 {"name": "a"},
 {"name": "b",
  "tier": "pro"}]}
"""


@pytest.mark.parametrize(
    ("content", "suffix", "lines"),
    [
        (TOML, ".toml", (1, 4, 7, 9)),
        (YAML, ".yaml", (1, 3, 6, 7)),
        (JSON, ".json", (1, 3, 6, 7)),
        (b"//\n" + JSON, ".json", (2, 4, 7, 8)),
    ],
)
def test_each_format_reads_the_same_and_knows_its_lines(content: bytes, suffix: str, lines: tuple[int, ...]) -> None:
    document = parse(content, suffix)
    places = (("top",), ("deploy", "numReplicas"), ("services", 1), ("services", 1, "tier"))
    assert document.value == {
        "top": 1,
        "deploy": {"numReplicas": 2},
        "services": [{"name": "a"}, {"name": "b", "tier": "pro"}],
    }
    assert tuple(document.line_of(place) for place in places) == lines
    assert document.line_of(("services", 1, "nothing")) == lines[2]
    assert document.line_of(("nothing", 7)) in {None, 1, 2}


@pytest.mark.parametrize(
    ("content", "suffix", "line", "reason"),
    [
        (b"a = 1\na = 2\n", ".toml", 2, "duplicate key 'a', first on line 1"),
        (b"[x]\na = 1\n[y]\na = 1\n'b c' = 1\n'b c' = 2\n", ".toml", 6, "duplicate key \"'b c'\", first on line 5"),
        (b"[x]\na = 1\n[y.z]\n[ x ]\na = 1\n", ".toml", 4, "duplicate table 'x', first on line 1"),
        (b"a = 1\na.b = 2\n", ".toml", 2, "Cannot overwrite a value"),
        (b"a = 1\na = \n", ".toml", 2, "Invalid value"),
        (b"a = 1\n\n[b", ".toml", 3, "Expected ']'"),
        (b"a = \n", ".toml", 1, "Invalid value"),
        (b"a: 1\nb:\n  c: 1\n  c: 2\n", ".yaml", 4, "found duplicate key"),
        (b"a: [1\nb: 2\n", ".yaml", 2, ""),
        (b"a: 1\n\xff", ".yaml", 2, "not UTF-8"),
        (b'{"a": 1,\n"a": 2}', ".json", 2, "duplicate key 'a', first on line 1"),
        (b'{"a": NaN}', ".json", 1, "expected a value"),
    ],
)
def test_what_does_not_parse_is_told_with_its_line(content: bytes, suffix: str, line: int, reason: str) -> None:
    with pytest.raises(FileProblemError) as caught:
        parse(content, suffix)
    assert caught.value.line == line
    assert caught.value.reason.startswith(reason)


def test_a_small_file_that_expands_without_end_is_refused() -> None:
    bomb = b"a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + b"".join(
        f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n".encode() for n in range(1, 9)
    )
    with pytest.raises(FileProblemError, match="too many values"):
        parse(bomb, ".yaml")


def test_a_file_that_is_not_there_says_so(tmp_path: Path) -> None:
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(FileProblemError, match="cannot be read"):
            read_bytes(path)


def test_an_env_file_gives_names_and_values(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_bytes(b"# remark\n\nA=1\r\nexport B = \"two words\" # why\nC='$X'\nD=a#b # c\nE=\nA=last\n")
    assert env_file.read(path) == {"A": "last", "B": "two words", "C": "$X", "D": "a#b", "E": ""}


def test_a_bad_line_of_an_env_file_is_named_and_never_told(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text("A=1\ns3cret\n")
    with pytest.raises(UsageError, match=r"\.env:2: expected NAME=value") as caught:
        env_file.read(path)
    assert "s3cret" not in str(caught.value)
