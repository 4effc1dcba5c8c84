"""JSON as people write it: values equal to the standard library's, spans that cut cleanly, faults with their line."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollout.manifests.jsonc import Node, parse
from rollout.manifests.problem import FileProblemError

TEXT = st.text(st.characters(codec="utf-8"))
NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=20,
)


@given(VALUES, st.sampled_from([None, 2, "\t"]), st.booleans())
def test_plain_json_reads_as_the_standard_library_reads_it(value: object, indent: int | str | None, ascii_only: bool) -> None:
    content = json.dumps(value, indent=indent, ensure_ascii=ascii_only).encode()
    assert parse(content).value == value


@given(VALUES)
def test_every_span_is_the_bytes_of_its_value(value: object) -> None:
    content = json.dumps(value, ensure_ascii=False, indent=1).encode()

    def check(node: Node) -> None:
        assert json.loads(content[node.start : node.end]) == node.value
        for item in node.items:
            check(item)
        for key, member in node.members.items():
            assert json.JSONDecoder().raw_decode(content[member.start :].decode())[0] == key
            check(member.node)

    check(parse(content))


def test_comments_trailing_commas_bom_and_crlf_are_good() -> None:
    content = b'\xef\xbb\xbf// first\r\n{ /* a\r\n */ "a": [1, 2,], // rest\r\n "b": "// no comment", }\r\n/* end */'
    node = parse(content)
    assert node.value == {"a": [1, 2], "b": "// no comment"}
    assert node.members["a"].line == 3
    assert node.members["b"].line == 4
    assert content[node.members["b"].node.start : node.members["b"].node.end] == b'"// no comment"'


@pytest.mark.parametrize(
    ("content", "line", "reason"),
    [
        (b'{\n "a": 1,\n "a": 2\n}', 3, "duplicate key 'a', first on line 2"),
        (b'{"x": {\n "a": 1,\n\n "\\u0061": 2}}', 4, "duplicate key 'a', first on line 2"),
        (b"", 1, "expected a value; the file ends"),
        (b'{"a": 1', 1, "expected , or }; the file ends"),
        (b'{\n"a" 1}', 2, "expected : after the key 'a'; found '1'"),
        (b"{'a': 1}", 1, "expected a key in double quotes or }"),
        (b"{,}", 1, "expected a key in double quotes or }; found ','"),
        (b"[1 2]", 1, "expected , or ]; found '2'"),
        (b"[1,,2]", 1, "expected a value; found ','"),
        (b"[01]", 1, "expected a value"),
        (b"[NaN]", 1, "expected a value; found 'N'"),
        (b"[1e999]", 1, "a number is too large"),
        (b"[truely]", 1, "expected a value"),
        (b'["a\nb"]', 1, "a string is not closed"),
        (b'["\\x"]', 1, "a string is not closed, or holds a line break or a wrong escape"),
        (b"{}\n{}", 2, "expected the end of the file; found '{'"),
        (b"{}\n/* ", 2, "a comment is not closed"),
        (b"\n\n\xff", 3, "not UTF-8 (byte 0xff)"),
        (b"[" * 5000, 1, "nested deeper than 100"),
        (b"[" + b"9" * 5000 + b"]", 1, "a number has too many digits"),
    ],
)
def test_a_fault_is_told_with_its_line(content: bytes, line: int, reason: str) -> None:
    with pytest.raises(FileProblemError) as caught:
        parse(content)
    assert (caught.value.line, caught.value.reason.startswith(reason)) == (line, True), caught.value.reason
