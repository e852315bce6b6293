"""The page: one HTML file that needs nothing else, verdict first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

from lingraft.training.report import words
from lingraft.training.report.blocks import Figure, Missing, Section, Text
from lingraft.training.report.figures import plots
from lingraft.training.report.figures.canvas import STYLES
from lingraft.training.report.schema import Document, complete
from lingraft.training.report.sections import SECTIONS

_TEMPLATES = Path(__file__).parent / "templates"
_HEADLINES = {
    "PASS": (
        "The graft helped.",
        "On the text for deciding (dev) it did better than the best of the cheaper ways, by more "
        "than chance explains.",
        "Use it.",
    ),
    "HOLD": (
        "It is not shown that the graft helped.",
        "What was seen may be chance, or a head start that an alternative was making up.",
        "Do not claim a gain. Take more text to test or to train on, or train all arms longer.",
    ),
    "REFUSE": (
        "Do not use this graft.",
        "Something that worked before, or a cheaper way, is better than it.",
        "Keep what you have. Look below at which language lost, and try another parent.",
    ),
}
# What every reader needs once; the field's words stay in the text, as they are what to search for.
_GLOSSARY = (
    ("Graft", "A model trained for a new language from a parent, not from nothing."),
    ("Parent", "A model that was trained before, on languages with much text."),
    ("Control, arm", "Another way to the same end, trained under the same conditions."),
    ("From scratch", "Trained from random numbers, without a parent."),
    ("Seed, run", "The random numbers that a run starts from; runs differ by luck."),
    ("s.d.", "Standard deviation: how far runs lie apart."),
    (
        "95% interval",
        "Where the true figure lies in 95 of 100 such experiments. An interval that holds zero "
        "shows no difference.",
    ),
    ("chrF++", "How many letters and words a translation shares with the right one; 0 to 100."),
    ("BLEU", "How many word sequences it shares with the right one; 0 to 100."),
    ("Macro-F1", "How well labels are found, each label counting the same; 0 to 1."),
    ("Loss", "How surprised the model is by the right answer; less is better."),
    ("Dev and test", "Text kept out of training: dev to decide on, test for the final figure."),
    ("TF-IDF", "A simple classifier that counts groups of letters; no network."),
)


@dataclass(frozen=True)
class Lead:
    """What stands above everything else."""

    headline: str
    meaning: str
    advice: str
    reason: str  # the gate's own
    gain: Text  # what may be claimed
    figure: Figure | None


def as_html(report: Document | dict[str, Any]) -> str:
    """The whole page; the same report gives the same bytes."""
    document = complete(report)
    parts = [make(document) for make in SECTIONS]
    return _template().render(
        report=document,
        lead=_lead(document),
        summary=_summary(document),
        sections=[part for part in parts if isinstance(part, Section)],
        missing=[part for part in parts if isinstance(part, Missing)],
        glossary=_GLOSSARY,
        css=Markup((_TEMPLATES / "page.css").read_text(encoding="utf-8")),
        styles=sorted(STYLES),
    )


@cache
def _template() -> Template:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["typeset"] = _typeset
    return environment.get_template("page.html")


def _typeset(text: Text) -> Text:
    """Our own prose with the apostrophes of print."""
    return text.replace("'", "\N{RIGHT SINGLE QUOTATION MARK}")


def _lead(report: Document) -> Lead:
    unknown = ("The verdict is open.", "The gate did not decide.", "Read on.")
    headline, meaning, advice = _HEADLINES.get(report["verdict"], unknown)
    gain = report.get("gain")
    metric = _metric(report)
    says: Text = "The gain was not measured."
    if gain:
        says = words.join("On test text: ", words.claim(gain, words.digits(metric)), _unit(metric))
    return Lead(headline, meaning, advice, words.reason(report), says, _forest(report, metric))


def _metric(report: Document) -> str:
    return next((result["metric"] for result in report.get("results") or []), "")


def _unit(metric: str) -> str:
    return f", in points of {metric}." if metric else "."


def _forest(report: Document, metric: str) -> Figure | None:
    found = report.get("results") or []
    rows = [
        (name, gain)
        for name, result in zip(words.test_sets(found), found, strict=True)
        if (gain := result.get("gain")) and result["metric"] == metric
    ]
    if (pooled := report.get("gain")) and len(rows) > 1:
        rows.append(("all together", pooled))
    if not rows:
        return None
    caption = (
        "The line is the 95% interval, the dot the measured difference. A line that touches zero "
        "is hollow and dashed: it shows nothing."
    )
    return Figure(plots.forest("gain", rows, f"points of {metric}"), caption)


def _counted(wide: Mapping[str, Any]) -> Text:
    orders, weights = words.number(wide["orders"], 0), words.number(wide["weights"], 0)
    return words.join("a table of n-grams of 1 to ", orders, " letters, ", weights, " weights")


def _summary(report: Document) -> list[tuple[str, Text]]:
    """The few facts that a reader asks for first."""
    rows: list[tuple[str, Text]] = []
    if name := (report.get("parent") or {}).get("name"):
        rows.append(("parent", str(name)))
    if (trained := report.get("training_rows")) is not None:
        rows.append(("rows trained on", words.number(trained, 0)))
    if wide := report.get("wide"):
        place = "in place of" if wide.get("alone") else "beside"
        rows.append((f"{place} the encoder", _counted(wide)))
    scores = [len(a["scores"]) for r in report.get("results") or [] for a in r["arms"]]
    if scores:
        rows.append(("runs of each arm", str(max(scores))))
    if (openings := report.get("test_openings")) is not None:
        rows.append(("test opened", words.times(openings)))
    if licence := (report.get("provenance") or {}).get("licence"):
        rows.append(("licence", licence))
    return rows
