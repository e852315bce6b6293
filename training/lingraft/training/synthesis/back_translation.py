"""Tagged back-translation in rounds, beside parallel text (Sennrich 2016; Caswell et al. 2019).

Text found in the target language gets a source made by the reverse model, behind a marker, so that
the model knows a made source from a real one. A weak reverse model is refused: its sources would
teach its mistakes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from lingraft.training.data.testsets import TestSet
from lingraft.training.errors import SynthesisError, WeakTranslatorError
from lingraft.training.measure.metrics import bleu, chrf
from lingraft.training.recipe.synthesis import GREEDY, BackTranslation
from lingraft.training.synthesis.generate import Translator
from lingraft.training.synthesis.rounds import (
    Direction,
    Making,
    Models,
    Round,
    Train,
    check_marker,
    in_turn,
    make,
    require_text,
)

_METRICS = {"BLEU": bleu, "chrF++": chrf}


@dataclass(frozen=True)
class Plan:
    """What back-translation works on.

    texts: monolingual text by language; every target of `real` needs some.
    real: real training rows of each direction that is to get made ones.
    dev: test sets to measure the reverse models on.
    """

    texts: Mapping[str, Sequence[str]]
    real: Mapping[Direction, int]
    dev: Sequence[TestSet]
    seed: int


def back_translation(
    settings: BackTranslation, plan: Plan, models: Models, train: Train
) -> Iterator[Round]:
    """Rounds of made rows; after each one `train` is called, and later rounds use what it trained.

    A round has a part for each direction of `plan.real`: with text in both languages both models
    are refreshed, each from what the other makes.

    Raises:
        WeakTranslatorError: reverse models are under `minimum_quality`; all of them are named.
        SynthesisError: text or a dev set is missing, or the filters leave nothing.
    """
    require_text(plan.texts, list(plan.real))

    def make_round(number: int) -> Round:
        reverse = {(s, t): models(number, t, s) for s, t in plan.real}
        qualities = require_quality(settings, plan.dev, reverse)
        parts = []
        for place, (direction, rows) in enumerate(plan.real.items()):
            translator = replace(reverse[direction], decoding=settings.decoding)
            check_marker(translator.codec, settings.marker)
            limit = int(settings.ratio * rows)
            making = Making(settings.filters, plan.seed + place, limit, settings.marker)
            made = make(number, direction, plan.texts[direction[1]], translator, making)
            parts.append(replace(made, quality=qualities[direction]))
        return Round(number, tuple(parts))

    return in_turn(settings.rounds, make_round, train)


def require_quality(
    settings: BackTranslation, dev: Sequence[TestSet], reverse: Mapping[Direction, Translator]
) -> dict[Direction, float]:
    """The score on dev of the reverse model of each direction.

    Raises:
        WeakTranslatorError: one or more are under `minimum_quality`; all of them are named.
        SynthesisError: a reverse direction has no dev set.
    """
    scores = {d: _quality(settings, dev, d, translator) for d, translator in reverse.items()}
    weak = [
        f"the model for {target}-{source} has {settings.metric} {score:.1f} on dev"
        for (source, target), score in scores.items()
        if score < settings.minimum_quality
    ]
    if weak:
        raise WeakTranslatorError(
            f"back-translation refused: {'; '.join(weak)}; at least {settings.minimum_quality:g} "
            "is asked for, as a weaker model's text teaches its mistakes. Train it on more "
            "parallel text or from a better parent, leave back-translation out, or lower "
            "minimum_quality to go on all the same"
        )
    return scores


def _quality(
    settings: BackTranslation, dev: Sequence[TestSet], direction: Direction, reverse: Translator
) -> float:
    """Over all dev sets of the direction that `reverse` translates in."""
    source, target = direction
    tests = [t for t in dev if (t.source_language, t.target_language) == (target, source)]
    if not tests:
        raise SynthesisError(
            f"no dev set of {target}-{source}, to measure the model that back-translates: add one"
        )
    # Greedy whatever the sources are made with: the figure is to mean the same everywhere.
    greedy = replace(reverse, decoding=GREEDY)
    outputs = [text for t in tests for text in greedy.translate(t.sources, target, source)]
    references = [text for t in tests for text in t.references]
    return _METRICS[settings.metric](outputs, references).value
