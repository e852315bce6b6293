"""Rows of the label table, as JSON and as Markdown; no text of the data among them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from benchmarks.labels.cases import Case
from lingraft.training.calibrate.classification import LanguageCalibration
from lingraft.training.classify import ClassifierGraft
from lingraft.training.experiment.classification import TFIDF, Guesses, points
from lingraft.training.gate.significance import GRAFT, Interval, draw, interval, resampled_scores
from lingraft.training.measure.metrics import confusion_statistics

Row = dict[str, Any]
_ARMS = (GRAFT, "random-parent", TFIDF)
_ENOUGH = 300  # examples of dev from which on the calibration error is judged
_MOST_ECE = 0.05


def row_of(case: Case, graft: ClassifierGraft) -> Row:
    """All figures of one case."""
    return {
        "case": case.name,
        "task": case.task,
        "parent": graft.parent.name,
        "kind": graft.typed.kind,
        "labels_per_class": case.per_label,
        "stages": [stage.method for stage in graft.recipe.stages],
        "classes": len(graft.data.names),
        "trained_on": dict(Counter(language for _, _, language in graft.data.train)),
        "dropped": graft.data.dropped,
        "seeds": graft.recipe.seeds,
        "counts": graft.recipe.wide is not None,
        "verdict": graft.decision.verdict.value,
        "reason": graft.decision.reason,
        "seconds": {name: round(arm.seconds) for name, arm in graft.arms.items()},
        "chosen": {name: arm.first.chosen.learning_rate for name, arm in graft.arms.items()},
        "tests": [_test(graft, number) for number in range(len(graft.test.sets))],
        "calibration": [_calibration(graft, found) for found in graft.trust.calibration.languages],
    }


def _test(graft: ClassifierGraft, number: int) -> Row:
    part, compared = graft.test.sets[number], graft.test.comparisons[number]
    judged = zip(graft.dev.sets, graft.decision.directions, strict=True)
    verdicts = {dev.language: each.verdict.value for dev, each in judged}
    return {
        "language": part.language,
        "texts": len(part.rows),
        "macro_f1": {
            name: _score(graft, number, seeds) for name, seeds in graft.test.guesses.items()
        },
        "baseline": compared.baseline,
        "over": {name: _interval(difference) for name, difference in compared.over.items()},
        "verdict_on_dev": verdicts.get(part.language),
    }


def _score(graft: ClassifierGraft, number: int, seeds: Sequence[Guesses]) -> Row:
    """The mean over seeds with the interval of texts and seeds drawn anew."""
    rule, rows = graft.recipe.gate, graft.test.sets[number].rows
    truth, classes = graft.data.indices(rows), len(graft.data.names)
    counted = [confusion_statistics(made[number], truth, classes) for made in seeds]
    values = [float(points(each.sum(axis=0, keepdims=True))[0]) for each in counted]
    drawn = resampled_scores(counted, draw(len(rows), rule.resamples, rule.seed), points, rule.seed)
    mean = sum(values) / len(values)
    return {"interval": _interval(interval(mean, drawn)), "seeds": [round(v, 2) for v in values]}


def _interval(found: Interval) -> list[float]:
    return [round(part, 2) for part in (found.value, found.low, found.high)]


def _calibration(graft: ClassifierGraft, found: LanguageCalibration) -> Row:
    """Figures of one language; `examples` are all of dev."""
    row: Row = {
        "language": found.language,
        "examples": sum(row[2] == found.language for row in graft.data.dev),
        "method": found.scaling.method if found.scaling else None,
        "ece_before": round(found.before.ece, 4),
        "reason": found.reason,
    }
    if found.after:
        row |= {
            "ece": round(found.after.ece, 4),
            "ece_by_chance": round(found.after.ece_by_chance, 4),
        }
    if found.language in graft.trust.tested:
        tested = graft.trust.tested[found.language]
        row["test"] = {"ece": round(tested.ece, 4), "by_chance": round(tested.ece_by_chance, 4)}
    if found.after and row["examples"] >= _ENOUGH:
        row["as_wanted"] = bool(found.after.ece <= _MOST_ECE)
    return row


def as_markdown(rows: Sequence[Row]) -> str:
    """The tables for people; a difference whose interval holds zero is called none."""
    scores = [
        "| case | rows | seeds | tested | texts | graft | random parent | TF-IDF | over TF-IDF "
        "| over the best control | verdict on dev |",
        "|---" * (len(_ARMS) + 8) + "|",
        *(line for row in rows for line in _score_lines(row)),
    ]
    errors = [
        "| case | language | dev | method | ECE before | ECE after | by chance | on test "
        "| by chance |",
        "|---" * 9 + "|",
        *(line for row in rows for line in _error_lines(row)),
    ]
    return "\n".join(
        [
            "Macro-F1 on test, 0 to 100, mean of the seeds, with the middle 95% of texts and seeds "
            "drawn anew. Dev of every tested language chose between two learning rates and the "
            "best step, and decided the verdict: where no label of a language was trained on, that "
            "holds for training alone.",
            "",
            *scores,
            "",
            f"Calibration error (ECE, 15 bins) on dev, cross-validated, and on test. From "
            f"{_ENOUGH} examples of dev on it should be {_MOST_ECE} or less; by chance: what "
            "probabilities that are right would show in 1 of 20 draws.",
            "",
            *errors,
            "",
        ]
    )


def _score_lines(row: Row) -> Iterator[str]:
    size = sum(row["trained_on"].values())
    for test in row["tests"]:
        cells = " | ".join(_cell(test["macro_f1"].get(arm)) for arm in _ARMS)
        over = " | ".join(_over(test["over"].get(arm)) for arm in (TFIDF, test["baseline"]))
        yield (
            f"| {row['case']} | {size:,} | {row['seeds']} | {test['language']} "
            f"| {test['texts']:,} | {cells} | {over} | {test['verdict_on_dev'] or ''} |"
        )


def _cell(score: Row | None) -> str:
    if score is None:
        return ""
    value, low, high = score["interval"]
    return f"{value:.1f} [{low:.1f}, {high:.1f}]"


def _over(difference: Sequence[float] | None) -> str:
    if difference is None:
        return ""
    value, low, high = difference
    shown = f"{value:+.1f}" if low > 0 or high < 0 else "no difference shown"
    return f"{shown} [{low:+.1f}, {high:+.1f}]"


def _error_lines(row: Row) -> Iterator[str]:
    for found in row["calibration"]:
        error = f"{found['ece']:.3f}" if "ece" in found else f"not calibrated: {found['reason']}"
        chance = f"{found['ece_by_chance']:.3f}" if "ece" in found else ""
        on_test = found.get("test")
        tested = f"{on_test['ece']:.3f} | {on_test['by_chance']:.3f}" if on_test else " | "
        judged = {True: "", False: " (too much)", None: " (not judged)"}[found.get("as_wanted")]
        yield (
            f"| {row['case']} | {found['language']} | {found['examples']:,} "
            f"| {found['method'] or ''} | {found['ece_before']:.3f} | {error}{judged} | {chance} "
            f"| {tested} |"
        )
