"""The report of a translation graft as data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import mean
from typing import Any

from lingraft.training.calibrate.reliability import Reliability
from lingraft.training.data.corpora import Row
from lingraft.training.experiment.interpolating import Interpolated
from lingraft.training.experiment.measuring import Measured
from lingraft.training.experiment.unpaired import shown_name
from lingraft.training.gate.significance import GRAFT
from lingraft.training.gate.verdict import judged
from lingraft.training.graft import Graft
from lingraft.training.instances.influences import Example
from lingraft.training.instances.mixing import Mixed
from lingraft.training.measure.languages import Languages
from lingraft.training.measure.metrics import bleu, chrf
from lingraft.training.measure.slices import by_length, rates, worst_and_best
from lingraft.training.recipe.recipes import GraftRecipe, Pairs
from lingraft.training.report.explained import explanation_of
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

_EXAMPLES = 5  # worst and best each, of every test set


def translation_report(graft: Graft, *, examples: bool) -> Report:
    """All figures of a translation graft; `examples` adds sentences with their translations."""
    report: Report = {
        **head_of(graft.recipe.name, "translation", graft.parent, graft.decision),
        "gain": interval(graft.gain),
        "arms": arms_of(graft.arms),
        "training_rows": sum(map(len, graft.data.train)),
        "rows_dropped_for_overlap": graft.data.dropped,
        "dev": _results(graft, graft.dev),
        "results": [
            *_results(graft, graft.test),
            *_results(graft, graft.zero_shot),
        ],
        "transfer": _transfer(graft),
        "slices": _slices(graft),
        "contamination": contamination_of(graft.data.overlaps, graft.data.dropped),
        "cost": cost_of(graft.arms),
        "provenance": provenance_of(graft.recipe, graft.parent),
        "test_openings": graft.test_openings,
        "forgetting": [
            {
                "test_set": f.test.name,
                "direction": f.test.direction,
                "before": round(f.before, 2),
                "after": round(f.after, 2),
            }
            for f in graft.forgetting
        ],
    }
    if graft.interpolated:
        report["interpolation"] = _interpolation(graft.interpolated[graft.served])
    if graft.calibration:
        report["calibration"] = [_calibrated(d.as_dict()) for d in graft.calibration.directions]
    if graft.explained:
        report["explanation"] = explanation_of(graft.explained)
    if graft.data.selected:
        report["instances"] = _instances(graft, examples=examples)
    if examples:
        report["examples"] = _examples(graft)
    return report


def _interpolation(found: Interpolated) -> Report:
    tried = [
        {"share": each.share, "direction": each.direction, "lost": round(each.lost, 2)}
        for each in found.tried
    ]
    return {"share": found.share, "tried": tried}


def _results(graft: Graft, measured: Measured) -> list[Report]:
    results, table = [], judged(measured.comparisons)
    for i, test in enumerate(measured.tests):
        others = {
            arm: {"BLEU": round(mean(bleu(o[i], test.references).value for o in seeds), 2)}
            for arm, seeds in measured.outputs.items()
        }
        signatures = (chrf(["a"], ["a"]), bleu(["a"], ["a"]))
        results.append(
            {
                "test_set": shown_name(graft.recipe, graft.parent.languages, test),
                "direction": test.direction,
                "sentences": len(test.sources),
                "signatures": {score.name: score.signature for score in signatures},
                **result_of("chrF++", measured.comparisons[i], table[i], others),
            }
        )
    return results


def _transfer(graft: Graft) -> Report:
    recipe = graft.recipe
    last = last_stage("training on pairs", recipe, graft.arms[GRAFT])
    mixed = graft.data.mixed
    return {
        **graft.typed.as_dict(),
        "stages": [*stages_of(recipe.stages), *([last] if any(graft.data.train) else [])],
        "vocabulary": _vocabulary(graft),
        **({"mixing": _mixing(recipe, mixed)} if mixed else {}),
    }


def _mixing(recipe: GraftRecipe, mixed: Mixed) -> Report:
    """What part of the graft's last training comes from each data source."""
    assert recipe.mixing is not None
    sources = [*recipe.train, *recipe.rehearsal]
    return {
        "temperature": recipe.mixing.temperature,
        "shares": {s.name: round(x, 4) for s, x in zip(sources, mixed.shares, strict=True)},
        "parent_share": round(mixed.parent_share, 4),
    }


def _vocabulary(graft: Graft) -> Report:
    """Coverage and fertility by language, before anything trained."""
    recipe, languages = graft.recipe.vocabulary, graft.transferred.preview.languages
    return {
        "method": recipe.method,
        "initialisation": recipe.rows or "",
        "pieces": graft.codec.pad + 1,
        "coverage": {code: each.covered for code, each in languages.items()},
        "fertility": {code: each.after.pieces_per_word for code, each in languages.items()},
        "fertility_before": {code: each.before.pieces_per_word for code, each in languages.items()},
    }


def _slices(graft: Graft) -> list[Report]:
    """As `schema.Slices`, one for each test set: the served graft and its best rival."""
    languages, found = Languages(_texts(graft)), []
    for i, test in enumerate(graft.test.tests):
        rival = graft.test.comparisons[i].baseline
        outputs = {arm: _shown(graft, arm)[i] for arm in (GRAFT, rival)}
        faults = {
            arm: rates(test.sources, texts, test.references, test.target_language, languages)
            for arm, texts in outputs.items()
        }
        found.append(
            {
                "direction": test.direction,
                "test_set": test.name,
                "metric": "chrF++",
                "lengths": [each.as_dict() for each in by_length(outputs, test.references)],
                "rates": {arm: rate.as_dict() for arm, rate in faults.items()},
            }
        )
    return found


def _shown(graft: Graft, arm: str) -> list[list[str]]:
    """An arm's translations of all test sets: of the served seed, or of a control's first."""
    return graft.test.outputs[arm][graft.served if arm == GRAFT else 0]


def _texts(graft: Graft) -> dict[str, list[str]]:
    """All text at hand by language, to tell languages apart by."""
    texts: dict[str, list[str]] = {}
    recipe, data = graft.recipe, graft.data
    parts: Sequence[tuple[Pairs, Sequence[Row]]] = [
        *zip(recipe.train, data.train, strict=True),
        *zip(recipe.rehearsal, data.rehearsal, strict=True),
    ]
    for pairs, rows in parts:
        texts.setdefault(pairs.source, []).extend(row[0] for row in rows)
        texts.setdefault(pairs.target, []).extend(row[1] for row in rows)
    for test in (*data.select, *data.decide, *graft.test.tests):
        texts.setdefault(test.source_language, []).extend(test.sources)
        texts.setdefault(test.target_language, []).extend(test.references)
    return texts


def _calibrated(found: Mapping[str, Any]) -> Report:
    """One direction, as `schema.Calibration`."""
    source, target = found["source"], found["target"]
    return calibrated_row(found, f"{source}-{target}" if source else target)


def calibrated_row(
    found: Mapping[str, Any], language: str, tested: Reliability | None = None
) -> Report:
    """What `calibrate` says of one language or direction, as `schema.Calibration`."""
    before, after = found.get("before") or {}, found.get("after") or {}
    return {
        "language": language,
        "calibrated": found["calibrated"],
        "method": found["method"],
        "size": found["size"],
        "ece_before": before.get("ece"),
        "ece_after": after.get("ece"),
        "ece_by_chance": after.get("ece_by_chance"),
        "ece_on_test": tested.ece if tested else None,
        "brier_before": before.get("brier"),
        "brier_after": after.get("brier"),
        "bins": after.get("bins") or [],
        "bins_before": before.get("bins") or [],
        "reason": found.get("reason"),
    }


def _instances(graft: Graft, *, examples: bool) -> Report:
    assert graft.recipe.selection is not None
    report: Report = {
        "method": graft.recipe.selection.method,
        "kept": sum(len(rows) for rows in graft.data.rehearsal),
        "of": sum(len(each.scores) for each in graft.data.selected),
    }
    if examples:
        report["helpful"] = _shown_examples([each.helpful for each in graft.data.influences])
        report["harmful"] = _shown_examples([each.harmful for each in graft.data.influences])
    return report


def _shown_examples(found: Sequence[Sequence[Example]]) -> list[Report]:
    return [
        {"source": each.cells[0], "target": each.cells[1], "score": round(each.score, 3)}
        for examples in found
        for each in examples
        if each.cells
    ]


def _examples(graft: Graft) -> list[Report]:
    """The served graft's worst and best sentences of every test set, with every arm's."""
    rows = []
    for i, test in enumerate(graft.test.tests):
        outputs = {arm: _shown(graft, arm)[i] for arm in graft.test.outputs}
        rows += side_by_side(test.direction, test.sources, test.references, outputs, _EXAMPLES)
    return rows


def side_by_side(
    direction: str,
    sources: Sequence[str],
    references: Sequence[str],
    outputs: Mapping[str, Sequence[str]],
    count: int,
) -> list[Report]:
    """The graft's `count` worst and best sentences with every arm's, as `Document.examples`.

    Args:
        direction: "en-yo".
        sources: the test set's.
        references: the same.
        outputs: by arm, "graft" among them.
        count: of each kind.
    """
    worst, best = worst_and_best(outputs[GRAFT], references, count)
    return [
        {
            "kind": kind,
            "direction": direction,
            "score": score,
            "source": sources[i],
            "reference": references[i],
            **{arm: texts[i] for arm, texts in outputs.items()},
        }
        for kind, chosen in (("worst", worst), ("best", best))
        for i, score in chosen
    ]
