"""`lingraft-train graft`, `assess` and `identify`: from a recipe to a report and a bundle."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

from lingraft.training.assess import assess
from lingraft.training.classify import ClassifierGraft, classify, classify_arm
from lingraft.training.experiment.keeping import keep_model
from lingraft.training.experiment.seeds import Seeded
from lingraft.training.gate.significance import GRAFT
from lingraft.training.graft import Graft, graft, graft_arm
from lingraft.training.identify import identify
from lingraft.training.manifesting.assessment import export_assessed
from lingraft.training.manifesting.classification import export_classifier_graft
from lingraft.training.manifesting.identification import export_identifier, identification_report
from lingraft.training.manifesting.translation import export_graft
from lingraft.training.parents.find import MODEL_FOLDER
from lingraft.training.rank.child import child_key
from lingraft.training.rank.command import RANKING_FILE
from lingraft.training.rank.regret import read_gains, record_gain, regret
from lingraft.training.recipe.recipes import (
    AssessRecipe,
    ClassifyRecipe,
    GraftRecipe,
    IdentifyRecipe,
)
from lingraft.training.report.report import (
    Report,
    as_html,
    as_json,
    classification_report,
    translation_report,
    write_report,
)
from lingraft.v1.bundle_pb2 import Bundle

BUNDLE_FOLDER = "bundle"
RANKING_FOLDER = "ranking"  # where `rank-parents` leaves its order, in the folder of the run
GAINS_FILE = "gains.jsonl"  # beside the folders of the runs: what every finished graft scored


@dataclass(frozen=True)
class Options:
    """What the command line adds to a recipe.

    accepted_negative: reason to export a refused graft; it stands in the card. Empty: refuse.
    examples: whether reports show sentences of the test set.
    """

    accepted_negative: str = ""
    examples: bool = True


@dataclass(frozen=True)
class Outcome:
    """A graft's report, its bundle's manifest and where the bundle lies."""

    report: Report
    bundle: Bundle
    folder: Path


def run_graft(recipe: GraftRecipe | ClassifyRecipe, output: Path, options: Options) -> Outcome:
    """Train, measure, report and export; the report stands even when the export is refused.

    A translation graft is also kept in `output`/model, as a parent or teacher of others.

    Raises:
        TrainingError: anything that the user can mend.
    """
    folder, reason = output / BUNDLE_FOLDER, options.accepted_negative
    if isinstance(recipe, ClassifyRecipe):
        classified = classify(recipe, output)
        report = classification_report(classified, examples=options.examples)
        files = _reported(classified, report, output)
        bundle = export_classifier_graft(classified, folder, files, reason)
    else:
        grafted = graft(recipe, output)
        report = translation_report(grafted, examples=options.examples)
        files = _reported(grafted, report, output)
        bundle = export_graft(grafted, folder, files, reason)
        ready = grafted.transferred.parent
        languages = (*grafted.parent.languages, *grafted.typed.child)
        keep_model(grafted.model, ready, languages, bundle.licence, output / MODEL_FOLDER)
    return Outcome(report, bundle, folder)


def run_arm(recipe: GraftRecipe | ClassifyRecipe, output: Path, name: str) -> Seeded:
    """Train one arm and nothing else; `run_graft` takes it from `output` as it stands.

    So arms train at once: in other processes, or on machines that share the folder.

    Raises:
        TrainingError: anything that the user can mend.
    """
    if isinstance(recipe, ClassifyRecipe):
        return classify_arm(recipe, output, name)
    return graft_arm(recipe, output, name)


def run_identify(recipe: IdentifyRecipe, output: Path) -> Outcome:
    """Train a language identifier, measure it, and write its report and bundle to `output`.

    Raises:
        TrainingError: anything that the user can mend.
    """
    found, folder = identify(recipe), output / BUNDLE_FOLDER
    report = identification_report(found)
    output.mkdir(parents=True, exist_ok=True)
    (output / "report.json").write_bytes(report)
    bundle = export_identifier(found, folder)
    return Outcome(json.loads(report), bundle, folder)


def run_assess(recipe: AssessRecipe, output: Path) -> tuple[Bundle, Path]:
    """Measure a translator as it stands and export it; its bundle's manifest, and where it lies.

    Raises:
        TrainingError: anything that the user can mend.
    """
    folder = output / BUNDLE_FOLDER
    return export_assessed(assess(recipe, output), folder), folder


def _reported(grafted: Graft | ClassifierGraft, report: Report, output: Path) -> dict[str, bytes]:
    """Write the report and remember what was gained; the files that the bundle takes over."""
    if ranked := _regret(grafted, output):
        report["ranking"] = ranked
    write_report(report, output)
    return {"report.json": as_json(report), "report.html": as_html(report).encode()}


def _regret(grafted: Graft | ClassifierGraft, output: Path) -> Report | None:
    """What the ranking of parents, if there was one, was worth: known once grafts are finished."""
    gains, comparisons = output.parent / GAINS_FILE, grafted.test.comparisons
    metric = "chrF++" if isinstance(grafted, Graft) else "macro-F1"
    score = mean(compared.scores[GRAFT].mean for compared in comparisons)
    key = child_key(grafted.recipe)
    record_gain(grafted.parent.name, grafted.parent.sha256, key, score, metric, gains)
    path = output / RANKING_FOLDER / RANKING_FILE
    if not path.is_file():
        return None
    found = regret(json.loads(path.read_text(encoding="utf-8")), read_gains(gains))
    return found.as_dict() if found else None
