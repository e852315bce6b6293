"""What the bundles of both tasks say of a graft."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from lingraft.training.classify import ClassifierGraft
from lingraft.training.data.licences import strictest
from lingraft.training.data.testsets import TestSet
from lingraft.training.gate.significance import Comparison
from lingraft.training.gate.verdict import Verdict
from lingraft.training.graft import Graft
from lingraft.training.measure.metrics import Score
from lingraft.training.parents.find import ParentModel
from lingraft.training.recipe.recipes import GraftRecipe, Labelled, Pairs
from lingraft.training.recipe.synthesis import Monolingual
from lingraft.training.vocabulary.normalise import LETTER_MAPPINGS, UNICODE_FORM
from lingraft.v1 import bundle_pb2 as pb
from lingraft.v1.common_pb2 import (
    VERDICT_HOLD,
    VERDICT_PASS,
    VERDICT_REFUSE,
    Metric,
    TransferReport,
)

Source = Pairs | Labelled | Monolingual

_VERDICTS = {
    Verdict.PASS: VERDICT_PASS,
    Verdict.HOLD: VERDICT_HOLD,
    Verdict.REFUSE: VERDICT_REFUSE,
}


def licence_of(graft: Graft | ClassifierGraft, sources: Sequence[Source]) -> str:
    """What follows from the text of the child and, through its weights, from that of the parent."""
    licences = (source.licence for source in sources)
    return strictest([graft.recipe.licence, graft.parent.licence, *licences])


def facts_of(name: str, display_name: str, parent: ParentModel) -> pb.Bundle:
    """Name, parent and normalisation, which every bundle has."""
    facts = pb.Bundle(name=name, version="1", display_name=display_name)
    facts.parent, facts.parent_sha256 = parent.name, parent.sha256
    facts.normalization.unicode_form = UNICODE_FORM
    for language, mapping in LETTER_MAPPINGS.items():
        for source, target in mapping.items():
            facts.normalization.mappings.add(language=language, source=source, target=target)
    return facts


def sources_of(sources: Sequence[Source], sizes: Iterable[int]) -> list[pb.DataSource]:
    """The data of a bundle with its licences and sizes."""
    return [
        pb.DataSource(name=source.name, licence=source.licence, examples=size)
        for source, size in zip(sources, sizes, strict=True)
    ]


def gain_of(compared: Comparison, like: Metric) -> Metric:
    """The gain over the best other arm with its interval, measured as `like` was."""
    gain = compared.gain
    return Metric(
        name=like.name,
        value=gain.value,
        ci_low=gain.low,
        ci_high=gain.high,
        test_set=like.test_set,
        size=like.size,
        signature=f"gain over {compared.baseline}; paired bootstrap, 95%",
    )


def like(score: Metric, value: float) -> Metric:
    """The same measurement of another arm: the mean over its seeds."""
    other = Metric()
    other.CopyFrom(score)
    other.value = value
    return other


def metric_of(score: Score, test: TestSet) -> Metric:
    """A score as the manifest has it."""
    name = f"{test.name} {test.direction}"
    return Metric(
        name=score.name,
        value=score.value,
        test_set=name,
        size=len(test.sources),
        signature=score.signature,
    )


def transfer_of(graft: Graft | ClassifierGraft, accepted_negative: str) -> TransferReport:
    """The transfer report, as far as both tasks share it."""
    verdict = graft.decision.verdict
    refused = verdict is Verdict.REFUSE
    sources = read_by(graft)
    return TransferReport(
        parent_model=graft.parent.name,
        parent_languages=graft.parent.languages,
        data_sources=[source.name for source in sources],
        licence=licence_of(graft, sources),
        verdict=_VERDICTS[verdict],
        negative_transfer=refused,
        accepted_negative_reason=accepted_negative if refused else "",
    )


def read_by(graft: Graft | ClassifierGraft) -> list[Source]:
    """All data that the graft was trained on."""
    recipe = graft.recipe
    rehearsal = recipe.rehearsal if isinstance(recipe, GraftRecipe) else []
    return [*recipe.train, *rehearsal, *recipe.monolingual]
