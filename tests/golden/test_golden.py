"""The golden bundles of every released format version still answer as on the day they were made."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from google.protobuf import json_format

from lingraft.training.export.manifest import gaps
from lingraft.training.export.runtime import GreedyDecoder, SpecialIds, classify
from lingraft.training.export.translation import piece_limits
from lingraft.v1 import bundle_pb2 as pb

HERE = Path(__file__).parent
EXPECTED: dict[str, list[dict[str, Any]]] = json.loads((HERE / "expected.json").read_text())


def _manifest(name: str) -> pb.Bundle:
    return json_format.Parse((HERE / name / "bundle.json").read_text(), pb.Bundle())


@pytest.mark.parametrize("name", EXPECTED)
def test_a_golden_bundle_is_whole_and_small(name: str) -> None:
    """Its manifest is complete, every file has its fingerprint, and all of it fits in 400 KB."""
    manifest, folder = _manifest(name), HERE / name
    assert gaps(manifest) == []
    listed = {file.path for file in manifest.files}
    assert {path.name for path in folder.iterdir()} == {"bundle.json", *listed}
    for file in manifest.files:
        content = (folder / file.path).read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (file.size_bytes, file.sha256)
    assert sum(file.size_bytes for file in manifest.files) < 400_000


@pytest.mark.parametrize("slots", [1, 3])
def test_a_golden_translation_stays_the_same(slots: int) -> None:
    """The fp32 graphs of format version 1 give the ids and log-probabilities written down then."""
    manifest, cases = _manifest("v1-translation"), EXPECTED["v1-translation"]
    files = manifest.graphs[0].encoder, manifest.graphs[0].decoder_step
    encoder, step = ((HERE / "v1-translation" / file).read_bytes() for file in files)
    ids = manifest.special_ids
    decoder = GreedyDecoder(encoder, step, SpecialIds(ids.eos, ids.pad, ids.decoder_start))
    sources = [case["source_ids"] for case in cases]
    answers = decoder.decode(sources, piece_limits(manifest, sources), slots)
    assert [answer.ids for answer in answers] == [case["target_ids"] for case in cases]
    logprobs = [answer.logprob for answer in answers]
    np.testing.assert_allclose(logprobs, [case["logprob"] for case in cases], atol=1e-3)


def test_a_golden_classification_stays_the_same() -> None:
    """The fp32 graph of format version 1 gives the probabilities written down then."""
    manifest, cases = _manifest("v1-classification"), EXPECTED["v1-classification"]
    graph = (HERE / "v1-classification" / manifest.graphs[0].classifier).read_bytes()
    sources = [case["source_ids"] for case in cases]
    logits = classify(graph, sources, manifest.special_ids.pad)
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    expected = [case["probabilities"] for case in cases]
    np.testing.assert_allclose(shares, expected, atol=1e-3)
