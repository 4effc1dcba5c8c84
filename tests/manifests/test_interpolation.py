"""Variables of Compose files: each form, where a value comes from, and what is refused."""

from pathlib import Path

import pytest

from rollout.manifests.interpolation import Variables
from rollout.manifests.problem import FileProblemError

ENVIRON = {"A": "a", "EMPTY": "", "B_2": "b"}


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("no variable, 5 $ and $1 and $(x)", "no variable, 5 $ and $1 and $(x)"),
        ("$A-${A}${B_2}x", "a-abx"),
        ("$$A $${A} $$$A", "$A ${A} $a"),
        ("${NONE:-x} ${EMPTY:-x} ${A:-x}", "x x a"),
        ("${NONE-x} ${EMPTY-x} ${A-x}", "x  a"),
        ("${NONE:+x} ${EMPTY:+x} ${A:+x}", "  x"),
        ("${NONE+x} ${EMPTY+x} ${A+x}", " x x"),
        ("${A:?why} ${EMPTY?why}", "a "),
        ("${NONE:-${A}} ${NONE:-${NO:-$B_2}} ${NONE-}", "a b "),
        ("${NONE:-{}} ${NONE:-a:b-c?d+e} ${NONE:-$$}", "{} a:b-c?d+e $"),
        ("${A:-${NONE}}", "a"),
    ],
)
def test_each_form_is_filled_in_as_compose_does(tmp_path: Path, text: str, filled: str) -> None:
    assert Variables(tmp_path, ENVIRON).fill(text) == filled


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("${NONE}", "${NONE} is not set and has no default"),
        ("$NONE", "${NONE} is not set and has no default"),
        ("${NONE:?say why}", "${NONE} must be set: say why"),
        ("${EMPTY:?}", "${EMPTY} must be set"),
        ("${NONE:-${NO}}", "${NO} is not set"),
        ("${A/x/y}", "does not know"),
        ("${}", "does not know"),
        ("${A:-x", "not closed"),
        ("${A", "does not know"),
    ],
)
def test_what_cannot_be_filled_in_says_why(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(ValueError, match=told.replace("$", r"\$").replace("{", r"\{")):
        Variables(tmp_path, ENVIRON).fill(text)


def test_the_environment_comes_before_the_file_and_no_value_is_told(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("A=other\nC='in the file'\n")
    variables = Variables(tmp_path, ENVIRON)
    assert variables.fill("$A $C ${D:-d}") == "a in the file d"
    assert list(variables.told) == [
        "${A} filled in from the environment",
        "${C} filled in from .env",
        "${D} is not set, its default was taken",
    ]
    assert variables.fill("[$NONE]", blank=True) == "[]"


def test_a_broken_file_of_variables_is_told_without_its_text(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("A=1\nmy secret\n")
    with pytest.raises(FileProblemError, match=r"\.env:2: expected NAME=value") as raised:
        Variables(tmp_path, {}).fill("$A")
    assert "secret" not in str(raised.value)
