"""What the confidence of the served model is worth: calibrated on dev, and seen on test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from transformers import MarianMTModel

from lingraft.training.calibrate.classification import (
    ClassifierCalibration,
    calibrate_classifier,
)
from lingraft.training.calibrate.reliability import Floats, Reliability, of_labels
from lingraft.training.calibrate.thresholds import ThresholdSets, set_thresholds
from lingraft.training.calibrate.translation import TranslationCalibration, calibrate_translation
from lingraft.training.data.corpora import spread
from lingraft.training.data.labelled import LabelledRow
from lingraft.training.data.testsets import TestSet
from lingraft.training.experiment.labels import Labels, encode_rows
from lingraft.training.measure import openings
from lingraft.training.measure.decoding import decode_scored
from lingraft.training.measure.metrics import chrf_of_sums, chrf_statistics
from lingraft.training.models.classifier import SequenceClassifier, logits
from lingraft.training.models.marian import digest_of
from lingraft.training.recipe.calibration import Calibration
from lingraft.training.vocabulary.codec import Codec

_SERVED = "served-logits"  # of test, kept
_MOST = 500  # sentences of a test set: an estimate of error gains little from more


@dataclass(frozen=True)
class LabelTrust:
    """What a classifier's probabilities are worth, and thresholds where the recipe has some.

    tested: reliability on test of the probabilities as they are served, of every language that is
        calibrated and tested. Nothing was fitted or chosen there.
    """

    calibration: ClassifierCalibration
    tested: Mapping[str, Reliability]
    thresholds: ThresholdSets | None


def trust_translation(
    model: MarianMTModel, codec: Codec, tests: Sequence[TestSet], settings: Calibration
) -> TranslationCalibration | None:
    """P(acceptable) of every direction; None where no test set is large enough to decode it for."""
    enough = [test for test in tests if len(test.sources) >= settings.least_examples]
    if not enough:
        return None
    produced, scores, directions = [], [], []
    for test in map(_some, enough):
        decoding = decode_scored(model, codec, test)
        sums = chrf_statistics(decoding.texts, test.references)
        produced.extend(decoding.produced)
        scores.extend(chrf_of_sums(sums).tolist())
        directions.extend([(test.source_language, test.target_language)] * len(test.sources))
    return calibrate_translation(produced, scores, directions, settings)


def _some(test: TestSet) -> TestSet:
    places = spread(len(test.sources), _MOST)
    return TestSet(
        test.name,
        test.source_language,
        test.target_language,
        tuple(test.sources[i] for i in places),
        tuple(test.references[i] for i in places),
    )


def trust_labels(
    model: SequenceClassifier,
    codec: Codec,
    data: Labels,
    limit: int,
    settings: Calibration,
    test: Path,
) -> LabelTrust:
    """Calibrated probabilities of every language of dev, and thresholds.

    All of dev calibrates: twice the examples outweigh that one half of them chose the weights of a
    few parts (docs/decisions/0024). Thresholds, whose false alarms are promised, are set on the
    deciding half alone. What the model says of test is kept in the folder `test` (`openings`).
    """

    def answered(rows: Sequence[LabelledRow]) -> tuple[Floats, list[int], list[str]]:
        found = logits(model, encode_rows(codec, rows, limit)).astype(np.float64)
        return found, data.indices(rows), [row[2] for row in rows]

    calibration = calibrate_classifier(*answered(data.dev), settings)
    of = [digest_of(model), *(text for part in data.test for text in part.texts)]
    kept = openings.answers(
        test, _SERVED, of, lambda: [answered(part.rows)[0].tolist() for part in data.test]
    )
    tested = {
        part.language: _tested(calibration, part.language, found, data.indices(part.rows), settings)
        for part, found in zip(data.test, map(np.asarray, kept), strict=True)
        if calibration.has(part.language)
    }
    if settings.thresholds is None:
        return LabelTrust(calibration, tested, None)
    found, truth, languages = answered([row for part in data.decide for row in part.rows])
    chances = calibration.probabilities(found, languages)
    sets = set_thresholds(chances, truth, languages, data.names, settings.thresholds)
    return LabelTrust(calibration, tested, sets)


def _tested(
    calibration: ClassifierCalibration,
    language: str,
    found: Floats,
    truth: Sequence[int],
    settings: Calibration,
) -> Reliability:
    chances = calibration.probabilities(found, [language] * len(truth))
    return of_labels(chances, np.asarray(truth, np.int64), settings.bins, settings.seed)
