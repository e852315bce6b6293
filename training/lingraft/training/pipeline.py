"""`lingraft-train graft`: recipe -> arms -> gate -> report -> bundle, for both tasks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lingraft.training.classify import classify
from lingraft.training.experiment.keeping import keep_model
from lingraft.training.graft import graft
from lingraft.training.manifesting import export_classifier_graft, export_graft
from lingraft.training.parents.find import MODEL_FOLDER
from lingraft.training.recipe.recipes import ClassifyRecipe, GraftRecipe
from lingraft.training.report.report import (
    Report,
    as_json,
    classification_report,
    translation_report,
    write_report,
)
from lingraft.v1.bundle_pb2 import Bundle

BUNDLE_FOLDER = "bundle"


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
    folder = output / BUNDLE_FOLDER
    if isinstance(recipe, ClassifyRecipe):
        classified = classify(recipe, output)
        report = classification_report(classified, examples=options.examples)
        write_report(report, output)
        reason = options.accepted_negative
        bundle = export_classifier_graft(classified, folder, as_json(report), reason)
    else:
        grafted = graft(recipe, output)
        report = translation_report(grafted, examples=options.examples)
        write_report(report, output)
        bundle = export_graft(grafted, folder, as_json(report), options.accepted_negative)
        ready = grafted.transferred.parent
        languages = (*grafted.parent.languages, *grafted.typed.child)
        keep_model(grafted.model, ready, languages, bundle.licence, output / MODEL_FOLDER)
    return Outcome(report, bundle, folder)
