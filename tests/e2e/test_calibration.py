"""What training calibrated is what the server says: the two share no code, only the proto."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from google.protobuf import json_format

from lingraft.server.app import load_model as load_served
from lingraft.server.config import ServerConfig
from lingraft.server.metrics import Metrics
from lingraft.server.services import Classifier, Edge, Registry
from lingraft.server.services.options import read_options
from lingraft.server.services.reading import Job, read
from lingraft.server.services.scoring import calibrated
from lingraft.server.services.thresholds import decide
from lingraft.server.services.translating import Step, compose, said
from lingraft.server.services.underway import submit
from lingraft.training.calibrate import (
    FEATURES,
    Acceptability,
    Produced,
    calibrate_classifier,
    calibrate_translation,
    set_thresholds,
)
from lingraft.training.calibrate.features import coverage_of
from lingraft.training.data import testsets
from lingraft.training.export import TranslationDev, TranslationExport, export_translation
from lingraft.training.measure.decoding import decode_scored
from lingraft.training.measure.evaluate import LENGTH_RATIO
from lingraft.training.models.marian import load_model
from lingraft.training.recipe.calibration import Calibration, Thresholds
from lingraft.training.recipe.languages import tag
from lingraft.training.vocabulary.codec import SPM_FILE, load_codec
from lingraft.training.vocabulary.normalise import UNICODE_FORM
from lingraft.v1 import bundle_pb2 as pb
from lingraft.v1 import translation_pb2
from lingraft.v1.common_pb2 import PAIR_STATUS_TRAINED, CalibrationInfo

_PATIENCE_S = 30.0
_GOLDEN = Path(__file__).parent.parent / "golden" / "v1-classification"
_SHARPENED = ("encoder_attn.q_proj", "v_proj", "out_proj", "fc")
_WHO = ("the baker", "a neighbour", "my uncle", "the girl", "an old goat")
_DOES = ("opens", "mends", "hides", "washes", "draws", "drops")
_WHAT = ("the gate", "a lamp", "two cups", "the long rope")


@dataclass(frozen=True)
class Calibrated:
    """A translator that is served, and what training knows of its calibration."""

    sources: tuple[str, ...]
    in_training: list[Produced]
    acceptability: Acceptability
    info: CalibrationInfo
    served: Any


def _sharpened(folder: Path) -> Any:
    """The parent with weights so large that its translations differ in score and length."""
    model = load_model(folder).eval()
    with torch.no_grad():
        model.final_logits_bias[:, 0] = 1.0
        for name, weight in model.model.decoder.named_parameters():
            if name.endswith("weight") and any(each in name for each in _SHARPENED):
                weight.mul_(2.5)
    return model


def _planted(produced: Sequence[Produced]) -> list[float]:
    """Sentence chrF++ that follows the mean log-probability and the coverage, with some chance."""
    rows = np.array([[FEATURES[n](p) for n in ("mean_logprob", "coverage")] for p in produced])
    scaled = (rows - rows.mean(axis=0)) / rows.std(axis=0)
    noise = np.random.default_rng(1).normal(0, 0.5, len(rows))
    return [float(each) for each in 40 + 10 * (scaled.sum(axis=1) + noise)]


def _facts(infos: Sequence[CalibrationInfo], tag_id: int) -> pb.Bundle:
    facts = pb.Bundle(name="calibrated", version="1", licence="CC0-1.0", calibration=infos)
    facts.normalization.unicode_form = UNICODE_FORM
    facts.limits.max_source_tokens = facts.limits.max_target_tokens = 64
    facts.decoding.beam_size, facts.decoding.max_length_ratio = 1, LENGTH_RATIO
    facts.pairs.add(source_language="en", target_language="yo", status=PAIR_STATUS_TRAINED)
    facts.language_tags.add(language="yo", piece=tag("yo"), id=tag_id)
    facts.data_sources.add(name="random", licence="CC0-1.0")
    return facts


@pytest.fixture(scope="module")
def translator(parent: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Calibrated]:
    """Decoded, calibrated and exported by training; read and loaded by the server."""
    sources = tuple(f"{' '.join(three)}.".capitalize() for three in product(_WHO, _DOES, _WHAT))
    model, codec = _sharpened(parent), load_codec(parent)
    found = decode_scored(model, codec, testsets.TestSet("dev", "en", "yo", sources, sources))
    calibration = calibrate_translation(
        found.produced, _planted(found.produced), [("en", "yo")] * len(sources), Calibration()
    )
    (info,), (direction,) = calibration.as_infos(), calibration.directions
    assert direction.model is not None
    folder = tmp_path_factory.mktemp("calibrated") / "bundle"
    dev = TranslationDev(
        name="dev",
        sources=[codec.encode_source(text, "en", "yo") for text in sources[:12]],
        references=(),
        decode=codec.decode,
        score=lambda hypotheses, references: 0.0,
    )
    export = TranslationExport(
        model=model,
        tokenizer=parent / SPM_FILE,
        facts=_facts([info], codec.tag_id("yo")),
        dev=dev,
        precisions=(pb.PRECISION_FP32,),
        ties_allowed=1,
    )
    export_translation(export, folder)
    config = ServerConfig(bundles=(folder,), threads=1, precision="fp32")
    served = load_served(folder, config, Metrics())
    served.scheduler.start(lambda: None)
    yield Calibrated(sources, found.produced, direction.model, info, served)
    served.scheduler.stop()


def _job(calibrated: Calibrated, texts: Sequence[str], *, quality: bool) -> Job:
    request = translation_pb2.TranslateTextRequest(
        contents=texts,
        source_language="en",
        target_language="yo",
        response_options={"quality": quality},
    )
    choice = Registry([calibrated.served]).translator("", "en", "yo")
    options = read_options(request, choice.model.bundle.decoding)
    edge = Edge(1000, 1000, 1000, _PATIENCE_S, time.monotonic)
    return Job(choice, options, edge, time.monotonic() + _PATIENCE_S)


def _answers(calibrated: Calibrated, texts: Sequence[str]) -> Iterator[tuple[Produced, Any]]:
    """What the server decoded for each text, and its answer, by the services' own functions."""
    job = _job(calibrated, texts, quality=True)
    readings = read(job, list(texts))
    for reading, futures in zip(readings, submit(job, readings), strict=True):
        decoded = [future.result(_PATIENCE_S) for future in futures]
        (task,), (best,) = reading.tasks, [each.found[0] for each in decoded]
        assert best.alignment is not None
        made = Produced(best.ids, best.logprobs, len(task.source.ids), coverage_of(best.alignment))
        yield made, compose(job, reading, said(job, Step(reading.tasks, decoded)))


def test_the_server_says_what_training_computes_from_the_same_numbers(
    translator: Calibrated,
) -> None:
    """Within 1e-6, with every feature in use; and near what PyTorch's own numbers give."""
    assert translator.info.method == "logistic"
    assert {"mean_logprob", "coverage"} <= set(translator.info.features)
    expected = translator.acceptability.of(translator.in_training)
    assert np.ptp(expected) > 0.5
    answers = list(_answers(translator, translator.sources))
    same = 0
    for (made, answer), in_training, chance in zip(
        answers, translator.in_training, expected, strict=True
    ):
        quality = answer.quality
        assert quality.calibrated
        (own,) = translator.acceptability.of([made])
        assert quality.p_acceptable == pytest.approx(own, abs=1e-6)
        if made.pieces == in_training.pieces:
            same += 1
            assert made.source_length == in_training.source_length
            assert made.logprobs == pytest.approx(in_training.logprobs, abs=1e-3)
            assert made.coverage == pytest.approx(in_training.coverage, abs=1e-3)
            assert quality.p_acceptable == pytest.approx(chance, abs=1e-3)
    assert same > len(answers) * 0.95


def test_the_alignment_is_kept_for_those_who_ask_alone(translator: Calibrated) -> None:
    """Coverage needs it; a request without an estimate pays nothing."""
    kept = [
        read(_job(translator, translator.sources, quality=asked), translator.sources[:1])[0]
        for asked in (True, False)
    ]
    assert [reading.tasks[0].search.alignment for reading in kept] == [True, False]


def test_the_evidence_is_quoted_as_training_wrote_it(translator: Calibrated) -> None:
    """Size, error and threshold of the answer are those of the fit."""
    ((_, answer),) = _answers(translator, translator.sources[:1])
    quality, info = answer.quality, translator.info
    assert quality.calibration == "models/calibrated/calibrations/en-yo"
    assert (quality.calibration_size, quality.acceptable_chrf) == (120, 40.0)
    assert quality.calibration_ece == pytest.approx(info.ece, abs=1e-7)


def test_a_classifiers_probabilities_and_thresholds_are_those_of_training(tmp_path: Path) -> None:
    """Vector scaling, temperature, a language without either; and what lies above a threshold."""
    random = np.random.default_rng(3)
    logits = random.normal(0, 1.5, (1600, 2))
    gap = logits[:, 1] - logits[:, 0] - np.where(np.arange(1600) < 800, 1.0, 0.0)
    labels = (random.random(1600) < 1 / (1 + np.exp(-3 * gap))).astype(int).tolist()
    skewed = logits * np.array([1.0, 0.4])
    languages = ["en"] * 800 + ["yo"] * 700 + ["haw"] * 100
    skewed[800:] = 9 * logits[800:]
    calibration = calibrate_classifier(skewed, labels, languages, Calibration(least_examples=101))
    methods = {i.language: i.method for i in calibration.as_infos()}
    assert methods == {"en": "vector", "yo": "temperature", "haw": ""}
    probabilities = calibration.probabilities(skewed, languages)
    thresholds = set_thresholds(
        probabilities, labels, languages, ("ham", "spam"), Thresholds(label="spam", rates=(0.01,))
    )
    model = _classifier(tmp_path / "bundle", calibration.as_infos(), thresholds.as_messages())
    levels = {each.language: each.threshold for each in thresholds.thresholds}
    assert levels["en"] is not None
    assert levels["haw"] is None
    above = 0
    for row, language, expected in zip(skewed, languages, probabilities, strict=True):
        scored = calibrated(model, row.tolist(), language)
        assert scored.scores == pytest.approx(expected, abs=1e-12)
        assert scored.calibration.calibrated == (language != "haw")
        level = levels[language]
        decided = decide(model, "fpr-0.01", language, scored.scores)
        assert ("spam" in decided.above) == (level is not None and expected[1] >= level)
        above += "spam" in decided.above
    assert 0 < above < 1600


def _classifier(folder: Path, infos: Sequence[Any], thresholds: Sequence[Any]) -> Classifier:
    """The golden classifier with this evidence in its manifest."""
    shutil.copytree(_GOLDEN, folder)
    manifest = json.loads((folder / "bundle.json").read_text(encoding="utf-8"))
    manifest["calibration"] = [json_format.MessageToDict(each) for each in infos]
    manifest["thresholds"] = [json_format.MessageToDict(each) for each in thresholds]
    (folder / "bundle.json").write_text(json.dumps(manifest), encoding="utf-8")
    config = ServerConfig(bundles=(folder,), threads=1, precision="fp32")
    model = load_served(folder, config, Metrics())
    assert isinstance(model, Classifier)
    return model
