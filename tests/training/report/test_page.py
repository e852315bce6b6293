"""The page: verdict first, self-contained, honest, escaped."""

from __future__ import annotations

import copy
import json
import re
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from lingraft.training.report.page import as_html
from lingraft.training.report.report import as_json, as_markdown, write_report
from lingraft.training.report.schema import without_sentences

_VOID = {"meta", "br", "img", "link", "input", "hr"}
_BARE = {"name": "n", "verdict": "HOLD", "reason": "the gain was not measured"}


class _Page(HTMLParser):
    """Elements, text and faults of nesting."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.html = html
        self.open: list[str] = []
        self.faults: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.data: list[float] = []
        self.feed(html)
        self.close()
        self.faults += self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag == "data":
            self.data.append(float(str(dict(attrs)["value"])))
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.faults.append(f"/{tag}")

    def handle_data(self, data: str) -> None:
        if data.strip() and not {"style", "title"} & set(self.open):
            self.texts.append(data.strip())

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).replace("\N{NO-BREAK SPACE}", " ").split())


@pytest.fixture(scope="module")
def _pages() -> dict[str, _Page]:
    return {}


@pytest.fixture
def page(full_report: dict[str, Any], _pages: dict[str, _Page]) -> _Page:
    """The page of the full report, drawn once."""
    if "full" not in _pages:
        _pages["full"] = _Page(as_html(full_report))
    return _pages["full"]


def _brief(report: dict[str, Any]) -> dict[str, Any]:
    """With few figures, as drawing takes time."""
    slow = ("explanation", "slices", "calibration")
    return {key: copy.deepcopy(part) for key, part in report.items() if key not in slow}


def _numbers(value: object) -> set[float]:
    if isinstance(value, dict):
        return set().union(*map(_numbers, value.values()))
    if isinstance(value, list):
        return set().union(*map(_numbers, value))
    return {float(value)} if isinstance(value, int | float) else set()


def test_the_page_is_well_formed(page: _Page) -> None:
    """Every element is closed where it should be, and every identifier stands once."""
    assert page.faults == []
    ids = Counter(attrs["id"] for _, attrs in page.elements if "id" in attrs)
    assert {name: n for name, n in ids.items() if n > 1} == {}


def test_every_reference_inside_the_page_has_its_target(page: _Page) -> None:
    """Contents, clip paths and marks of the figures."""
    ids = {attrs.get("id") for _, attrs in page.elements}
    references = [attrs["href"] for _, attrs in page.elements if "href" in attrs]
    clips = [attrs["clip-path"] for _, attrs in page.elements if attrs.get("clip-path")]
    assert references
    assert clips
    for reference in (*references, *(str(clip)[4:-1] for clip in clips)):
        assert str(reference)[1:] in ids


def test_the_page_needs_nothing_else(page: _Page) -> None:
    """No script, no address, no imported style or font; small enough to be sent by post."""
    html = page.html
    assert not {tag for tag, _ in page.elements} & {"script", "link", "img", "iframe", "object"}
    assert "://" not in html
    assert not re.search(r"@import|@font-face|url\((?!#)", html)
    assert not [name for _, attrs in page.elements for name in attrs if name.startswith("on")]
    assert len(html.encode()) < 500_000


@pytest.mark.parametrize("verdict", ["PASS", "HOLD", "REFUSE"])
def test_the_verdict_comes_first(verdict: str) -> None:
    """Before the name, the figures and everything else."""
    assert _Page(as_html({**_BARE, "verdict": verdict})).texts[0] == verdict


def test_text_is_escaped(page: _Page, full_report: dict[str, Any]) -> None:
    """In sentences, names and figures, whatever they hold."""
    assert "My mother sells yams & <beans> at the market." in page.text
    evil = "<script>alert(1)</script> $x_1$"
    report = copy.deepcopy(full_report)
    report["name"] = report["reason"] = report["results"][0]["test_set"] = evil
    report["explanation"]["layers"][0]["module"] = evil
    shown = _Page(as_html(report))
    assert shown.faults == []
    assert "script" not in {tag for tag, _ in shown.elements}
    assert shown.text.count(evil) >= 3


def test_two_test_sets_of_one_direction_are_told_apart(full_report: dict[str, Any]) -> None:
    """In headings and figures, whose identifiers then stand once too."""
    report = {**full_report, "examples": []}
    for part in ("results", "slices"):
        first = {**full_report[part][0], "test_set": "one book"}
        report[part] = [first, {**first, "test_set": "another book"}]
    page = _Page(as_html(report))
    where = "English to Yoruba"
    assert f"{where}, one book, chrF++" in page.text
    assert f"{where}, another book: short and long sentences" in page.text
    ids = Counter(attrs["id"] for _, attrs in page.elements if "id" in attrs)
    assert max(ids.values()) == 1


def test_what_chance_explains_is_never_called_a_gain(full_report: dict[str, Any]) -> None:
    """Neither at the top, nor in a table, nor in the gate's own words, nor in Markdown."""
    crossing = {"value": 0.73, "low": -0.41, "high": 1.82}
    report = _brief(full_report)
    report["gain"] = crossing
    report["verdict"] = "HOLD"
    report["reason"] = "the gain of +0.73 [-0.41, +1.82] does not exclude zero"
    for result in report["results"]:
        result["gain"] = crossing
        for arm in result["arms"]:
            arm["gain"] = crossing
    text = _Page(as_html(report)).text
    for shown in (text, as_markdown(report)):
        assert "gain of" not in shown
        assert "no difference shown" in shown
    assert "On test text: no difference shown (95% interval −0.4 to +1.8)" in re.sub(
        r"\s+([,.)])", r"\1", text
    )
    # the point is seen nowhere but in the gate's own words, where it is a difference
    assert re.findall(r"[^ ]* [^ ]* \+0\.7\d*", text) == ["difference of +0.73"]


def test_an_alternative_that_was_catching_up_is_told_with_its_figures(
    full_report: dict[str, Any],
) -> None:
    """How far behind, how much was made good, and what to do about it."""
    report = _brief(full_report)
    assert "as many steps again would not bring it" in _Page(as_html(report)).text
    report["pursuits"] = [{"arm": "scratch", "gap": 3.25, "again": 7.5, "catches_up": True}]
    page = _Page(as_html(report))
    assert {3.25, 7.5} <= set(page.data)
    assert "Train all arms longer before you believe the gap" in page.text


def test_a_choice_at_the_edge_of_its_grid_is_told(full_report: dict[str, Any]) -> None:
    """Of each arm and setting; a grid of one value has no edge."""
    tried = [{"learning_rate": rate, "dropout": 0.1, "dev": -2.0} for rate in (1e-4, 3e-4, 1e-3)]
    arms = {
        name: {"chosen": {"learning_rate": rate, "dropout": 0.1}, "grid": tried}
        for name, rate in (("graft", 3e-4), ("scratch", 1e-3), ("random-parent", 1e-4))
    }
    text = _Page(as_html({**_BARE, "arms": arms, "transfer": full_report["transfer"]})).text
    assert text.count("highest rate") == text.count("lowest rate") == 1
    assert "highest dropout" not in text


@pytest.mark.parametrize(("metric", "most"), [("macro-F1", 100), ("chrF++", 100), ("accuracy", 1)])
def test_the_scale_of_a_metric_is_that_of_its_scores(metric: str, most: int) -> None:
    """Points of 100, or shares."""
    results = [{"metric": metric, "arms": [{"name": "graft", "scores": [0.5, 0.7]}]}]
    assert f"Scores run from 0 to {most}." in _Page(as_html({**_BARE, "results": results})).text


def test_a_loss_is_called_a_loss(full_report: dict[str, Any]) -> None:
    """An interval below zero is no gain either."""
    report = {
        **_brief(full_report),
        "verdict": "REFUSE",
        "gain": {"value": -2.0, "low": -3, "high": -1},
    }
    text = _Page(as_html(report)).text
    assert "loss of −2.0" in text
    assert "Do not use this graft." in text


def test_every_figure_of_the_page_stands_in_the_twin(
    page: _Page, full_report: dict[str, Any]
) -> None:
    """The page computes nothing that the JSON does not hold."""
    twin = _numbers(json.loads(as_json(full_report)))
    assert len(page.data) > 300
    assert [value for value in page.data if value not in twin] == []


def test_every_figure_has_its_meaning_beside_it(page: _Page) -> None:
    """What it means, and what to do about it."""
    exhibits = [attrs for tag, attrs in page.elements if tag == "article"]
    assert page.texts.count("What it means") == page.texts.count("What to do") == len(exhibits)
    assert len(exhibits) > 15


def test_sentences_carry_language_and_direction(page: _Page) -> None:
    """So that Sindhi runs from right to left, and a voice reads Yoruba as Yoruba."""
    said = [a for tag, a in page.elements if tag == "dd" and a.get("dir") == "auto"]
    assert {a.get("lang") for a in said} == {"en", "yo", "sd"}
    assert "Ìyá mi ń ta iṣu àti ẹ̀wà ní ọjà." in page.text
    assert "(nothing)" in page.text


def test_without_sentences_none_is_shown(full_report: dict[str, Any]) -> None:
    """Neither of the test nor of the parent's text; the figures stay."""
    bare = without_sentences(_brief(full_report))
    shown = as_html(bare) + as_json(bare).decode()
    for text in ("yams", "Ìyá", "ٻيڙي", "carries water", "maïs"):
        assert text not in shown
    assert "Sentences are left out of this report." in shown
    assert "cross-entropy difference" in shown


def test_what_was_not_measured_is_said_in_one_line() -> None:
    """A report of nothing but a verdict is a page too, and invents no figure."""
    page = _Page(as_html(_BARE))
    assert page.faults == []
    assert page.data == []
    missing = [text for text in page.texts if text.startswith("Not calibrated")]
    assert missing == ["Not calibrated: do not use its confidence for decisions."]
    assert "svg" in {tag for tag, _ in page.elements}  # the badge
    assert "The layers of parent and graft were not compared." in page.text


@pytest.mark.parametrize(
    ("section", "key"),
    [
        ("explanation", "layers"),
        ("explanation", "economy"),
        ("transfer", "stages"),
        ("transfer", "vocabulary"),
        ("slices", None),
        ("calibration", None),
        ("instances", None),
        ("cost", None),
        ("provenance", None),
        ("results", None),
    ],
)
def test_each_section_may_be_missing(
    full_report: dict[str, Any], section: str, key: str | None
) -> None:
    """The rest of the page stands."""
    kept = {"name", "verdict", "reason", section}
    report = {name: part for name, part in full_report.items() if name in kept}
    if key is None:
        del report[section]
    else:
        report[section] = {key: full_report[section][key]}
    assert _Page(as_html(report)).faults == []


def test_unfinished_parts_are_tolerated() -> None:
    """Other rooms may leave out any key that is not required."""
    report = {
        **_BARE,
        "results": [{"metric": "accuracy", "arms": [{"name": "tfidf", "scores": [0.5]}]}],
        "slices": [{"rates": {"graft": {}}}, {"lengths": [{"label": "all", "scores": {}}]}],
        "forgetting": [{"direction": "en-fr", "before": 1.0, "after": 0.5}],
        "transfer": {"kind": "inductive", "stages": [{"name": "one"}], "vocabulary": {"pieces": 9}},
        "explanation": {
            "layers": [{"module": "all"}],
            "barrier": {},
            "shuffled": [{"block": 1}],
            "checkpoints": {"steps": [1, 2], "scores": [0.1, 0.2]},
            "economy": {"sizes": [10, 20], "graft": [1.0, 2.0], "seconds": 9.0},
        },
        "calibration": [{"language": "yo"}],
        "contamination": {"dropped": 0},
        "instances": {"helpful": [{"text": "a"}]},
        "cost": {"seconds": 60},
        "examples": [{"text": "a", "label": "b", "graft": "c"}],
        "provenance": {"data": [{"name": "a"}]},
    }
    page = _Page(as_html(report))
    assert page.faults == []
    assert "0.500" in page.texts
    assert "One run only: how far luck moves the score was not measured." in page.text


def test_the_same_report_gives_the_same_bytes(full_report: dict[str, Any], tmp_path: Path) -> None:
    """Figures too: no dates, no random identifiers."""
    for name in ("one", "two"):
        write_report(
            {**_brief(full_report), "calibration": full_report["calibration"]}, tmp_path / name
        )
    for file in ("report.html", "report.json", "report.md"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()
