"""The page: whole and harmless with any text, of bounded size with any number of moves, a table beside each plot."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from rollout.operations.course import Fallback, Gap
from rollout.operations.report import Pinned, Scope
from rollout.report.page import page
from tests.report.reports import HOSTILE, NOW, report

VOID = {"meta", "img", "link", "br"}


class Read(HTMLParser):
    """What a browser finds: the elements with their attributes; fails where one is not closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.said: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.said.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.found if name == tag]


@pytest.mark.parametrize("moves", [0, 1, 12, 500, 10_000])
def test_any_number_of_moves_gives_a_whole_page_of_bounded_size(moves: int) -> None:
    text = page(report(moves, text="x" * 5000))
    assert len(text.encode()) < 400_000
    read = Read(text)
    for name in ("script", "img", "link", "iframe", "object", "form"):
        assert read.all(name) == []
    assert all(not key.startswith("on") for _, attributes in read.found for key in attributes)
    assert not re.search(r"https?:|url\(|@import|\bnan\b|\binf\b", text)


def test_each_plot_is_named_described_and_has_its_table() -> None:
    read = Read(page(report(500)))
    ids = [attributes["id"] for _, attributes in read.found if "id" in attributes]
    assert len(ids) == len(set(ids))
    plots = [svg for svg in read.all("svg") if svg.get("role") == "img"]
    assert len(plots) == 5
    for svg in plots:
        assert set(str(svg["aria-labelledby"]).split()) <= set(ids)
    assert len(read.all("caption")) == len(read.all("table")) >= len(plots)
    assert all("scope" in head for head in read.all("th"))


def test_marks_stay_inside_their_plot() -> None:
    for svg in re.findall(r"<rect[^>]*>", page(report(10_000))):
        x, width = (float(re.search(rf'{name}="([\d.-]+)%"', svg)[1]) for name in ("x", "width"))  # type: ignore[index]
        assert x >= 0
        assert x + width <= 100.01


def test_what_people_and_services_wrote_is_text_and_nothing_else() -> None:
    base = report(12)
    name = f"shop/{HOSTILE}"
    hostile = replace(
        base,
        home=HOSTILE,
        scope=Scope(plan=HOSTILE),
        causes=((HOSTILE, 3), (HOSTILE, 1)),
        fallbacks=tuple(replace(one, service=name, reason=HOSTILE, afterwards=HOSTILE) for one in base.fallbacks),
        gaps=tuple(replace(gap, service=name) for gap in base.gaps),
        pins=(Pinned(service=name, told=HOSTILE, holds=True),),
        comparisons=tuple(replace(one, service=name) for one in base.comparisons),
        waves=tuple(replace(wave, state=HOSTILE) for wave in base.waves),
    )
    text = page(hostile)
    plain, read = Read(page(base)), Read(text)
    assert [tag for tag, _ in read.found] == [tag for tag, _ in plain.found]
    assert all(not key.startswith("on") for _, attributes in read.found for key in attributes)
    assert "größer 日本語 👩‍👩‍👧" in "".join(read.said)
    assert not re.search("[\x00\x1b\u202e\ud800]", text)
    text.encode("utf-8")


def test_what_is_cut_is_told() -> None:
    text = page(report(10_000))
    assert "800 more are not shown" in text
    assert "The first and the last 15 of 500 waves" in text


def test_the_instrument_of_gaps_is_named_and_a_gap_over_its_plan_is_told() -> None:
    text = page(report(12))
    assert "Instrument: the journal" in text
    assert "upper bound" in text
    longer = Gap(service="shop/a", wave="wave-1", begin=NOW, end=None, seconds=50.0, declared_s=42.0)
    assert page(replace(report(12), gaps=(longer,))).count("<strong>longer</strong>") == 1
    assert "so far" in page(replace(report(0), gaps=(longer,)))
    assert "<strong>" not in page(replace(report(12), gaps=(replace(longer, seconds=41.0),)))


def test_nothing_yet_is_told_as_such() -> None:
    text = page(report(0))
    for said in ("Nothing has moved yet.", "No wave has begun.", "Nothing came back.", "No service is pinned."):
        assert said in text
    assert "<svg" not in text


def test_a_fallback_without_a_reason_tells_its_cause() -> None:
    base = report(12)
    bare: Fallback = replace(base.fallbacks[0], reason="", cause="held too long", back_s=None)
    assert "held too long" in page(replace(base, fallbacks=(bare,)))
