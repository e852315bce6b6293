"""The embedded parent, on sentences of ours."""

from __future__ import annotations

import pytest
from sacrebleu.metrics import CHRF

from lingraft.training.data import testsets
from lingraft.training.measure.evaluate import translate
from lingraft.training.models.marian import load_model
from lingraft.training.parents.find import find_parent

PAIRS = [("en", "fr"), ("en", "de"), ("en", "es"), ("fr", "en"), ("de", "en"), ("es", "en")]


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_simple_sentences_come_out_nearly_right(
    sentences: dict[str, tuple[str, ...]], source: str, target: str
) -> None:
    """In each of its directions."""
    parent = find_parent("parent-xs")
    test = testsets.TestSet("ours", source, target, sentences[source], sentences[target])
    made = translate(load_model(parent.folder), parent.codec, test)
    assert CHRF(word_order=2).corpus_score(made, [[*sentences[target]]]).score > 45
