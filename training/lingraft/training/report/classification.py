"""The report of a classifier as data."""

from __future__ import annotations

from lingraft.training.classify import ClassifierGraft
from lingraft.training.experiment.classification import TFIDF, LabelsMeasured
from lingraft.training.experiment.counting import Counted
from lingraft.training.gate.significance import GRAFT
from lingraft.training.gate.verdict import judged
from lingraft.training.report.measured import (
    Report,
    arms_of,
    contamination_of,
    cost_of,
    head_of,
    interval,
    last_stage,
    provenance_of,
    result_of,
    stages_of,
)
from lingraft.training.report.translation import calibrated_row


def classification_report(graft: ClassifierGraft, *, examples: bool) -> Report:
    """All figures of a classifier graft; `examples` adds texts with their predicted labels."""
    data = graft.data
    report: Report = {
        **head_of(graft.recipe.name, "classification", graft.parent, graft.decision),
        "gain": interval(graft.gain),
        "labels": list(data.names),
        "arms": _arms(graft),
        "training_rows": len(data.train),
        "rows_dropped_for_overlap": data.dropped,
        "dev": _results(graft.dev),
        "results": _results(graft.test),
        "transfer": {**graft.typed.as_dict(), "stages": _stages(graft)},
        "contamination": contamination_of(data.overlaps, data.dropped),
        "calibration": [
            calibrated_row(each.as_dict(), each.language, graft.trust.tested.get(each.language))
            for each in graft.trust.calibration.languages
        ],
        "cost": cost_of(graft.arms),
        "provenance": provenance_of(graft.recipe, graft.parent),
        "test_openings": graft.test_openings,
    }
    if graft.counted and graft.recipe.wide:
        report["wide"] = {"alone": graft.recipe.wide.alone, **_wide(graft.counted)}
    if graft.trust.thresholds:
        report["thresholds"] = graft.trust.thresholds.as_dict()
    if examples:
        report["examples"] = _examples(graft)
    return report


def _stages(graft: ClassifierGraft) -> list[Report]:
    """All training, with what became of translated rows beside the stages that made them."""
    stages = stages_of(graft.recipe.stages)
    for row, stage in zip(stages, graft.recipe.stages, strict=True):
        if stage.translate_train:
            made = {code: graft.data.sifted[code] for code in stage.translate_train.languages}
            row["data"] = [f"into {code}: {sifted}" for code, sifted in made.items()]
    return [*stages, last_stage("training on labels", graft.recipe, graft.arms[GRAFT])]


def _wide(counted: Counted) -> Report:
    return {
        "orders": counted.words.ngrams.orders,
        "buckets": counted.words.ngrams.buckets,
        "weights": counted.rows.size,
        "chosen": {"inverse_penalty": counted.inverse_penalty},
        "grid": [{"inverse_penalty": c, "dev": round(score, 2)} for c, score in counted.trials],
    }


def _arms(graft: ClassifierGraft) -> Report:
    arms = arms_of(graft.arms)
    if graft.tfidf:
        trials = [
            {"inverse_penalty": c, "dev": round(100 * score, 2)} for c, score in graft.tfidf.trials
        ]
        chosen = {"inverse_penalty": graft.tfidf.inverse_penalty}
        arms[TFIDF] = {"chosen": chosen, "grid": trials}
    return arms


def _results(measured: LabelsMeasured) -> list[Report]:
    table = zip(measured.sets, measured.comparisons, judged(measured.comparisons), strict=True)
    return [
        {
            "test_set": part.name,
            "language": part.language,
            "sentences": len(part.rows),
            **result_of("macro-F1", compared, direction, {}),
        }
        for part, compared, direction in table
    ]


def _examples(graft: ClassifierGraft) -> list[Report]:
    guesses, names = graft.test.guesses[GRAFT][graft.served], graft.data.names
    return [
        {"text": text, "label": label, "language": language, "graft": names[guess]}
        for part, made in zip(graft.test.sets, guesses, strict=True)
        for (text, label, language), guess in zip(part.rows, made, strict=True)
    ]
