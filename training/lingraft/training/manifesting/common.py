"""What the bundles of both tasks say of a graft."""

from __future__ import annotations

from collections.abc import Iterable

from lingraft.training.classify import ClassifierGraft
from lingraft.training.data.testsets import TestSet
from lingraft.training.experiment.origins import licence_of, sources_by_use
from lingraft.training.experiment.seeds import Seeded
from lingraft.training.export import Notes
from lingraft.training.gate.significance import Comparison, Interval
from lingraft.training.gate.verdict import Verdict
from lingraft.training.graft import Graft
from lingraft.training.measure.metrics import Score
from lingraft.training.parents.find import ParentModel
from lingraft.training.recipe.recipes import ClassifyRecipe, GraftRecipe
from lingraft.training.vocabulary.normalise import LETTER_MAPPINGS, UNICODE_FORM
from lingraft.v1 import bundle_pb2 as pb
from lingraft.v1.common_pb2 import (
    VERDICT_HOLD,
    VERDICT_PASS,
    VERDICT_REFUSE,
    Metric,
    TransferReport,
)

_VERDICTS = {
    Verdict.PASS: VERDICT_PASS,
    Verdict.HOLD: VERDICT_HOLD,
    Verdict.REFUSE: VERDICT_REFUSE,
}


def facts_of(name: str, display_name: str, parent: ParentModel) -> pb.Bundle:
    """Name, parent and normalisation, which every bundle has."""
    facts = normalised(pb.Bundle(name=name, version="1", display_name=display_name))
    facts.parent, facts.parent_sha256 = parent.name, parent.sha256
    return facts


def normalised(facts: pb.Bundle) -> pb.Bundle:
    """`facts` with what our vocabularies do to text."""
    facts.normalization.unicode_form = UNICODE_FORM
    for language, mapping in LETTER_MAPPINGS.items():
        for source, target in mapping.items():
            facts.normalization.mappings.add(language=language, source=source, target=target)
    return facts


def notes_of(recipe: GraftRecipe | ClassifyRecipe, arms: Iterable[Seeded]) -> Notes:
    """What the card says of the training, arm by arm, and what the recipe's author warns of."""
    return Notes(training=[_trained(arm) for arm in arms], weaknesses=recipe.weaknesses)


def _trained(arm: Seeded) -> str:
    states = [run.state for run in arm.runs]
    steps, pieces = sum(state.step for state in states), sum(state.tokens for state in states)
    seeds = f"{len(states)} seed" + "s" * (len(states) > 1)
    told = f"{arm.name}: {steps:,} steps, {pieces / 1e6:.1f} million targets"
    return f"{told}, {arm.seconds / 3600:.1f} hours, {seeds}; tuning and stages come on top"


def sources_of(recipe: GraftRecipe | ClassifyRecipe, sizes: Iterable[int]) -> list[pb.DataSource]:
    """The data of a bundle with its licences and sizes."""
    return [
        pb.DataSource(name=source.name, licence=source.licence, examples=size)
        for (_, source), size in zip(sources_by_use(recipe), sizes, strict=True)
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
    """The same measurement of another arm: the mean over its seeds, without an interval."""
    other = Metric()
    other.CopyFrom(score)
    other.ClearField("ci_low")
    other.ClearField("ci_high")
    other.value = value
    return other


def metric_of(score: Score, test: TestSet, interval: Interval | None = None) -> Metric:
    """A score as the manifest has it."""
    name = f"{test.name} {test.direction}"
    return Metric(
        name=score.name,
        value=score.value,
        ci_low=None if interval is None else interval.low,
        ci_high=None if interval is None else interval.high,
        test_set=name,
        size=len(test.sources),
        signature=score.signature,
    )


def transfer_of(
    graft: Graft | ClassifierGraft, accepted_negative: str, own: Verdict | None = None
) -> TransferReport:
    """The transfer report, as far as both tasks share it.

    Args:
        accepted_negative: why a refused graft is exported all the same.
        own: the verdict of the one direction that the report is about; a refused graft is refused
            in all of them.
    """
    verdict = graft.decision.verdict
    if own is not None and verdict is not Verdict.REFUSE:
        verdict = own
    refused = verdict is Verdict.REFUSE
    return TransferReport(
        parent_model=graft.parent.name,
        parent_languages=graft.parent.languages,
        data_sources=[source.name for _, source in sources_by_use(graft.recipe)],
        licence=licence_of(graft.recipe, graft.parent),
        verdict=_VERDICTS[verdict],
        negative_transfer=refused,
        accepted_negative_reason=accepted_negative if refused else "",
    )
