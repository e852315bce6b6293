"""What every arm makes of the held-out text, and how the arms compare."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from transformers import MarianMTModel

from lingraft.training.data.testsets import TestSet
from lingraft.training.experiment.seeds import answers_name
from lingraft.training.gate.significance import Comparison, compare
from lingraft.training.measure import openings
from lingraft.training.measure.evaluate import translate
from lingraft.training.measure.metrics import chrf, chrf_of_sums, chrf_statistics
from lingraft.training.models.marian import digest_of
from lingraft.training.recipe.recipes import Gate
from lingraft.training.vocabulary.codec import Codec

PARENT = "parent"
Outputs = list[list[str]]  # translations of every test set, in order


@dataclass(frozen=True)
class Answerer:
    """The trained models of one arm, one for each seed, with their pieces."""

    name: str
    codec: Codec
    models: tuple[MarianMTModel, ...]


@dataclass(frozen=True)
class Measured:
    """Test sets with every arm's translations of them, for every seed, and their comparisons."""

    tests: list[TestSet]
    outputs: dict[str, list[Outputs]]  # by arm, then by seed
    comparisons: list[Comparison]


@dataclass(frozen=True)
class Forgetting:
    """chrF++ of one parent direction before and after the graft.

    outputs: what the grafted model made of the test set.
    """

    test: TestSet
    before: float
    after: float
    outputs: list[str]

    @property
    def lost(self) -> float:
        """Points lost; negative where it gained."""
        return self.before - self.after


def measure(rule: Gate, arms: Sequence[Answerer], tests: list[TestSet], folder: Path) -> Measured:
    """Translate the test sets by all arms, once, and compare the graft with the best other arm."""
    outputs = {arm.name: _answers(arm, tests, folder) for arm in arms}
    return Measured(tests, outputs, [_compare(rule, outputs, i, t) for i, t in enumerate(tests)])


def _compare(
    rule: Gate, outputs: Mapping[str, list[Outputs]], index: int, test: TestSet
) -> Comparison:
    statistics = {
        name: [chrf_statistics(texts[index], test.references) for texts in seeds]
        for name, seeds in outputs.items()
    }
    return compare(statistics, chrf_of_sums, rule.resamples, rule.seed)


def forgetting(
    parent: Answerer, graft: Answerer, tests: list[TestSet], folder: Path
) -> list[Forgetting]:
    """What became of the parent's own directions in one model of the graft; nothing of no tests."""
    if not tests:
        return []
    before, after = _answers(parent, tests, folder)[0], _answers(graft, tests, folder)[0]
    return [
        Forgetting(test, chrf(b, test.references).value, chrf(a, test.references).value, a)
        for test, b, a in zip(tests, before, after, strict=True)
    ]


def _answers(arm: Answerer, tests: list[TestSet], folder: Path) -> list[Outputs]:
    """Translations by the model of every seed, made once for the same weights and text."""
    return [
        outputs_of(model, arm.codec, tests, folder, answers_name(arm.name, number))
        for number, model in enumerate(arm.models)
    ]


def outputs_of(
    model: MarianMTModel, codec: Codec, tests: list[TestSet], folder: Path, name: str
) -> Outputs:
    """Translations by one model, made once for the same weights and text, kept as `name`."""
    of = [digest_of(model), *(part for t in tests for part in (t.direction, *t.sources))]
    return openings.answers(folder, name, of, lambda: [translate(model, codec, t) for t in tests])
