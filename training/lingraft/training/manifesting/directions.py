"""What every bundle of a translator says of its directions, however it was trained."""

from __future__ import annotations

from collections.abc import Sequence

from transformers import MarianMTModel

from lingraft.training.data.testsets import TestSet
from lingraft.training.export import TranslationDev
from lingraft.training.gate.significance import score_interval
from lingraft.training.manifesting.common import metric_of
from lingraft.training.measure.evaluate import LENGTH_RATIO
from lingraft.training.measure.metrics import bleu, chrf, chrf_of_sums, chrf_statistics
from lingraft.training.recipe.languages import tag
from lingraft.training.recipe.settings import Gate
from lingraft.training.vocabulary.codec import Codec, shorten
from lingraft.v1 import bundle_pb2 as pb
from lingraft.v1.common_pb2 import Metric

# Now and then two best pieces are nearer than float32 tells apart; PyTorch and ONNX Runtime may
# then differ and neither is wrong. More than this is a fault of the graphs.
TIES_ALLOWED = 2


def bound(facts: pb.Bundle, model: MarianMTModel) -> None:
    """Lengths and decoding, as the scores were measured."""
    positions = model.config.max_position_embeddings
    facts.limits.max_source_tokens = facts.limits.max_target_tokens = positions
    facts.decoding.beam_size = 1
    facts.decoding.max_length_ratio = LENGTH_RATIO


def add_tags(facts: pb.Bundle, codec: Codec) -> None:
    """The tags of all languages that the bundle's pairs lead to."""
    for language in sorted({pair.target_language for pair in facts.pairs}):
        facts.language_tags.add(language=language, piece=tag(language), id=codec.tag_id(language))


def metrics_of(outputs: Sequence[str], test: TestSet, rule: Gate) -> tuple[Metric, Metric]:
    """chrF++ with its interval, and BLEU, of one model's translations of a test set."""
    references = test.references
    sums = chrf_statistics(outputs, references)
    interval = score_interval(sums, chrf_of_sums, rule.resamples, rule.seed)
    return (
        metric_of(chrf(outputs, references), test, interval),
        metric_of(bleu(outputs, references), test),
    )


def dev_of(
    tests: Sequence[TestSet], codec: Codec, model: MarianMTModel, most: int
) -> TranslationDev:
    """Dev sentences of all directions for parity, at most `most` of them, equally many of each."""
    share = max(1, most // len(tests))
    rows = [
        (codec.encode_source(source, t.source_language, t.target_language), reference, t)
        for t in tests
        for source, reference in list(zip(t.sources, t.references, strict=True))[:share]
    ]
    limit = model.config.max_position_embeddings
    return TranslationDev(
        name=" + ".join(dict.fromkeys(t.name for t in tests)),
        sources=[shorten(ids, limit) for ids, _, _ in rows],
        references=[reference for _, reference, _ in rows],
        directions=[(t.source_language, t.target_language) for _, _, t in rows],
        decode=codec.decode,
        score=lambda hypotheses, references: chrf(hypotheses, references).value,
        signature=chrf(["a"], ["a"]).signature,
    )
