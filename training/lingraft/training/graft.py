"""Grafting a language onto a parent: data -> arms -> dev gate -> test, opened once -> results.

Dev is cut in two: one half chooses settings, stops and averages, the other decides the verdict. The
test set is translated once and its translations are kept, so that a repeated command opens nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from transformers import MarianMTModel

from lingraft.training.calibrate.translation import TranslationCalibration
from lingraft.training.data.contamination import describe
from lingraft.training.embedding.transfer import Transferred
from lingraft.training.experiment.explaining import Explained, Grafted, explain
from lingraft.training.experiment.interpolating import Interpolated, interpolate
from lingraft.training.experiment.measuring import (
    PARENT,
    Answerer,
    Forgetting,
    Measured,
    forgetting,
    measure,
)
from lingraft.training.experiment.preparing import Prepared, prepare
from lingraft.training.experiment.seeds import Seeded, pursuits
from lingraft.training.experiment.starts import Begun, Start, arm_named, begin
from lingraft.training.experiment.texts import Data, load_data
from lingraft.training.experiment.translation import answerer, model_of, train
from lingraft.training.experiment.trusting import trust_translation
from lingraft.training.experiment.typed import TypedTransfer
from lingraft.training.experiment.unpaired import speaks, unpaired
from lingraft.training.gate.significance import ABLATIONS, GRAFT, Comparison, Interval, pool
from lingraft.training.gate.verdict import Decision, decide
from lingraft.training.measure import openings
from lingraft.training.models.marian import load_model
from lingraft.training.parents.find import ParentModel
from lingraft.training.recipe.recipes import GraftRecipe
from lingraft.training.run.holding import held
from lingraft.training.vocabulary.codec import Codec

_DEV, _TEST, _PARENT_TEST, _ZERO_SHOT = "dev", "test", "parent-test", "zero-shot"
_INTERPOLATION = "interpolation"


@dataclass(frozen=True)
class Graft:
    """Everything a report and a bundle are made of."""

    recipe: GraftRecipe
    typed: TypedTransfer
    parent: ParentModel
    transferred: Transferred
    data: Data
    arms: dict[str, Seeded]
    dev: Measured
    test: Measured
    zero_shot: Measured  # directions between the test sets' languages that nobody ever paired
    interpolated: tuple[Interpolated, ...]  # by seed; none where the recipe does not go back
    forgetting: list[Forgetting]
    decision: Decision
    calibration: TranslationCalibration | None
    explained: Explained | None
    test_openings: int

    @property
    def codec(self) -> Codec:
        """The pieces of the graft."""
        return self.transferred.parent.codec

    @property
    def model(self) -> MarianMTModel:
        """The grafted model: of the seed that was best on the selecting half of dev."""
        return model_of(self.arms[GRAFT].best)

    @property
    def served(self) -> int:
        """Which seed `model` is, from 0."""
        return self.arms[GRAFT].runs.index(self.arms[GRAFT].best)

    @property
    def child_examples(self) -> int:
        """Pairs of the child's languages; where there are none, sentences without translation."""
        return self.data.child_examples(self.recipe, self.typed.child)

    @property
    def gain(self) -> Interval:
        """Mean gain on test over the best of the controls and the parent."""
        return pool(self.test.comparisons)


def graft(recipe: GraftRecipe, output: Path) -> Graft:
    """Train graft and controls, and measure all with the parent; resumable at any point."""
    ready, data, begun = _begin(recipe, output)
    recipe, parent = ready.recipe, ready.parent
    arms = {start.name: _trained(start, recipe, data, output) for start in begun.starts}
    interpolated = _interpolated(begun.graft, arms[GRAFT], recipe, data, output)
    answering = [answerer(start, arms[start.name]) for start in begun.starts]
    alone = _alone(begun.transferred.parent)
    dev = measure(recipe.gate, [*answering, alone], data.decide, output / _DEV)
    test = measure(recipe.gate, [*answering, alone], data.test, output / _TEST)
    never_paired = unpaired(recipe, data, parent.languages) if recipe.zero_shot else []
    able = [each for each in (*answering, alone) if speaks(each.codec, never_paired)]
    zero_shot = measure(recipe.gate, able, never_paired, output / _ZERO_SHOT)
    served = replace(answering[0], models=(model_of(arms[GRAFT].best),))
    forgotten = forgetting(_alone(parent), served, data.parent_test, output / _PARENT_TEST)
    losses = [each.lost for each in forgotten]
    limit = recipe.gate.max_parent_loss
    decision = decide(dev.comparisons, losses, limit, pursuits(arms))
    model, codec = served.models[0], begun.graft.codec
    control = _control(begun, arms, dev.comparisons)
    explained = None
    if recipe.explanation:
        grafted = Grafted(recipe, parent, data, begun, model, control)
        explained = explain(grafted, recipe.explanation, output)
    return Graft(
        recipe=recipe,
        typed=ready.typed,
        parent=parent,
        transferred=begun.transferred,
        data=data,
        arms=arms,
        dev=dev,
        test=test,
        zero_shot=zero_shot,
        interpolated=interpolated,
        forgetting=forgotten,
        decision=decision,
        calibration=trust_translation(
            model, codec, data.served(recipe, codec.has_language), recipe.calibration
        ),
        explained=explained,
        test_openings=openings.count(output / _TEST, GRAFT),
    )


def graft_arm(recipe: GraftRecipe, output: Path, name: str) -> Seeded:
    """Train one arm of a graft, for `graft` to find; others may be trained meanwhile elsewhere.

    Raises:
        RecipeError: the recipe has no such arm.
    """
    ready, data, begun = _begin(recipe, output)
    return _trained(arm_named(name, begun.starts), ready.recipe, data, output)


def _begin(recipe: GraftRecipe, output: Path) -> tuple[Prepared, Data, Begun]:
    ready = prepare(recipe)
    data = load_data(ready.recipe)
    with held(output, "vocabulary"):
        begun = begin(ready.recipe, ready.parent, data, output)
    _say([*map(describe, data.overlaps), *begun.transferred.preview.as_lines()])
    return ready, data, begun


def _trained(start: Start, recipe: GraftRecipe, data: Data, output: Path) -> Seeded:
    with held(output, start.name):
        return train(start, recipe, data, output)


def _interpolated(
    start: Start, arm: Seeded, recipe: GraftRecipe, data: Data, output: Path
) -> tuple[Interpolated, ...]:
    """Takes the graft's models part of the way back, each by itself, where the recipe says so."""
    settings = recipe.interpolation
    if settings is None:
        return ()
    return tuple(
        interpolate(
            model_of(run),
            start.make(0.0, recipe.seed + number),
            start.codec,
            data.parent_select,
            settings,
            output / _INTERPOLATION / f"seed-{recipe.seed + number}",
        )
        for number, run in enumerate(arm.runs)
    )


def _alone(parent: ParentModel) -> Answerer:
    """A parent that nobody has trained further."""
    return Answerer(PARENT, parent.codec, (load_model(parent.folder),))


def _control(
    begun: Begun, arms: dict[str, Seeded], comparisons: Sequence[Comparison]
) -> tuple[Start, MarianMTModel]:
    """The best trained control on dev, with how it began."""
    controls = [s for s in begun.starts if s.name != GRAFT and s.name not in ABLATIONS]
    best = max(controls, key=lambda s: sum(c.scores[s.name].mean for c in comparisons))
    return best, model_of(arms[best.name].best)


def _say(lines: Sequence[str]) -> None:
    """What a person should see before anything trains."""
    for line in lines:
        print(line, file=sys.stderr, flush=True)
