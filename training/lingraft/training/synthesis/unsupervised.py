"""Translation without parallel text: back-translation both ways, and tests of unpaired languages.

The model is first trained to denoise both languages (`denoising`), so that it can write each. Then
each direction learns from what the other makes (Lample et al. 2018). No marker tells made sources,
since there are no others; no dev set can hold a weak model back, so what comes out is measured by
whoever has one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from lingraft.training.data.testsets import TestSet
from lingraft.training.errors import SynthesisError
from lingraft.training.recipe.synthesis import Iterative
from lingraft.training.synthesis.rounds import (
    Direction,
    Making,
    Models,
    Round,
    Train,
    in_turn,
    make,
    require_text,
)

_ZERO_SHOT = "zero-shot, never paired in training"


def iterative(
    settings: Iterative,
    texts: Mapping[str, Sequence[str]],
    seed: int,
    models: Models,
    train: Train,
) -> Iterator[Round]:
    """Rounds of made rows for both directions of the two languages of `texts`.

    After each round `train` is called, and later rounds use what it trained.

    Raises:
        SynthesisError: `texts` is not of two languages, or the filters leave nothing.
    """
    if len(texts) != 2:
        listed = ", ".join(sorted(texts)) or "none"
        raise SynthesisError(f"iterative back-translation takes two languages' text, not: {listed}")
    first, second = texts
    directions: tuple[Direction, ...] = ((first, second), (second, first))
    require_text(texts, directions)

    def make_round(number: int) -> Round:
        # All models are asked for first: a round is made by the models before it.
        makers = [models(number, target, source) for source, target in directions]
        parts = []
        for place, (direction, maker) in enumerate(zip(directions, makers, strict=True)):
            making = Making(settings.filters, seed + place, settings.sentences)
            translator = replace(maker, decoding=settings.decoding)
            parts.append(make(number, direction, texts[direction[1]], translator, making))
        return Round(number, tuple(parts))

    return in_turn(settings.rounds, make_round, train)


def zero_shot_tests(tests: Sequence[TestSet], trained: Iterable[Direction]) -> list[TestSet]:
    """Test sets between languages that no training row pairs, and whose names say so.

    They are those of `tests` whose languages are unpaired, and those that two of `tests` with a
    common source give: en-fr and en-yo that share English sentences make fr-yo and yo-fr.

    Raises:
        SynthesisError: there is none; says which languages training pairs.
    """
    paired = {frozenset(direction) for direction in trained}
    found = [_named(test) for test in tests if _languages(test) not in paired]
    for left in tests:
        for right in tests:
            joined = _through_source(left, right)
            if joined and _languages(joined) not in paired:
                found.append(_named(joined))
    if not found:
        pairs = ", ".join(sorted("-".join(sorted(pair)) for pair in paired))
        raise SynthesisError(
            f"no test set is zero-shot: training pairs {pairs}; add a test set of other languages, "
            "or two that share their source sentences"
        )
    return list({(t.name, t.direction): t for t in reversed(found)}.values())[::-1]


def _languages(test: TestSet) -> frozenset[str]:
    return frozenset((test.source_language, test.target_language))


def _named(test: TestSet) -> TestSet:
    return replace(test, name=f"{test.name} ({_ZERO_SHOT})")


def _through_source(left: TestSet, right: TestSet) -> TestSet | None:
    """From the target of `left` to that of `right`, over the source sentences that both have."""
    if left.source_language != right.source_language:
        return None
    if left.target_language == right.target_language:
        return None
    there = dict(zip(right.sources, right.references, strict=True))
    pairs = [
        (reference, there[source])
        for source, reference in zip(left.sources, left.references, strict=True)
        if source in there
    ]
    if not pairs:
        return None
    sources, references = zip(*pairs, strict=True)
    name = left.name if left.name == right.name else f"{left.name} + {right.name}"
    return TestSet(name, left.target_language, right.target_language, sources, references)
