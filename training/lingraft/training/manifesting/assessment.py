"""From an assessed translator to its report, the facts of its bundle and its export."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lingraft.training.assess import Assessed, directions
from lingraft.training.data.licences import strictest
from lingraft.training.export import (
    Notes,
    TranslationExport,
    export_translation,
    precisions_named,
)
from lingraft.training.manifesting.common import normalised
from lingraft.training.manifesting.directions import (
    TIES_ALLOWED,
    add_tags,
    bound,
    dev_of,
    metrics_of,
)
from lingraft.training.parents.start import runs_of, training_told
from lingraft.training.recipe.settings import Gate
from lingraft.training.vocabulary.codec import SPM_FILE
from lingraft.v1 import bundle_pb2 as pb
from lingraft.v1.common_pb2 import (
    PAIR_STATUS_NOT_STATED,
    PAIR_STATUS_TRAINED,
    PAIR_STATUS_ZERO_SHOT,
    Metric,
)

_RULE = Gate()  # how often intervals draw, and from which seed


def export_assessed(found: Assessed, folder: Path) -> pb.Bundle:
    """Write the bundle of an assessed translator and its report, which also stands beside it, even
    where the export fails; return the manifest.

    Raises:
        ExportError: the folder cannot be written.
        ParityError: the fp32 graphs decode some dev sentence differently than the model.
    """
    recipe, codec = found.recipe, found.parent.codec
    facts = normalised(pb.Bundle(name=recipe.name, version="1", display_name=recipe.display_name))
    facts.licence = strictest([recipe.licence, found.parent.licence])
    facts.data_sources.extend(_sources(found))
    facts.pairs.extend(_pairs(found))
    bound(facts, found.model)
    add_tags(facts, codec)
    if found.calibration:
        facts.calibration.extend(found.calibration.as_infos())
    report = _report(found, facts.pairs)
    folder.parent.mkdir(parents=True, exist_ok=True)
    (folder.parent / "report.json").write_bytes(report)
    return export_translation(
        TranslationExport(
            model=found.model.eval(),
            tokenizer=found.parent.folder / SPM_FILE,
            facts=facts,
            dev=dev_of(found.dev, codec, found.model, recipe.parity_sentences),
            extra_files={"report.json": report},
            precisions=precisions_named(recipe.precisions),
            ties_allowed=TIES_ALLOWED,
            notes=Notes(training=_training(found), weaknesses=recipe.weaknesses),
        ),
        folder,
    )


def _training(found: Assessed) -> list[str]:
    runs = runs_of(found.parent.folder)
    told = [f"`{found.parent.name}`: {training_told(runs)}"] if runs else []
    seen = "was not looked for" if found.seen is None else f"stands in {found.seen:,} rows of it"
    return [*told, f"Text of the test sets {seen}"]


def _sources(found: Assessed) -> list[pb.DataSource]:
    if not found.taught:
        told = f"what {found.parent.name} was trained on"
        return [pb.DataSource(name=told, licence=found.parent.licence)]
    return [pb.DataSource(name=each.name, licence=each.licence) for each in found.taught.train]


def _pairs(found: Assessed) -> list[pb.BundlePair]:
    """Every direction of test, with its figures on all sets of it."""
    pairs: dict[str, pb.BundlePair] = {}
    for test, outputs in zip(found.tests, found.outputs, strict=True):
        if test.direction not in pairs:
            pairs[test.direction] = pb.BundlePair(
                source_language=test.source_language,
                target_language=test.target_language,
                status=_status(found, (test.source_language, test.target_language)),
            )
        pairs[test.direction].metrics.extend(metrics_of(outputs, test, _RULE))
    return list(pairs.values())


def _status(found: Assessed, direction: tuple[str, str]) -> Any:
    """What its own recipe says; a model that goes on from another may have learnt more there."""
    if found.taught is None:
        return PAIR_STATUS_NOT_STATED
    if direction in {way for pairs in found.taught.train for way in directions(pairs)}:
        return PAIR_STATUS_TRAINED
    return PAIR_STATUS_NOT_STATED if found.taught.start else PAIR_STATUS_ZERO_SHOT


def _report(found: Assessed, pairs: Sequence[pb.BundlePair]) -> bytes:
    """report.json: the figures, none of the texts."""
    content = {
        "name": found.recipe.name,
        "task": "assess",
        "weights": {"name": found.parent.name, "sha256": found.parent.sha256},
        "results": [_row(pair, metric) for pair in pairs for metric in pair.metrics],
        "training_rows_in_test": found.seen,
        "calibration": found.calibration.as_dict() if found.calibration else None,
        "test_openings": found.test_openings,
    }
    return (json.dumps(content, indent=1) + "\n").encode()


def _row(pair: pb.BundlePair, metric: Metric) -> dict[str, Any]:
    interval = [round(metric.ci_low, 2), round(metric.ci_high, 2)]
    return {
        "source": pair.source_language,
        "target": pair.target_language,
        "test_set": metric.test_set,
        "sentences": metric.size,
        "metric": metric.name,
        "value": round(metric.value, 2),
        "interval": interval if metric.HasField("ci_low") else None,
        "signature": metric.signature,
    }
