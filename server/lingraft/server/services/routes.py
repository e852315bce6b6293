"""Ways from a language to another over the pairs that are served, and why there is none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from lingraft.server.errors import LanguageRequiredError, UnsupportedLanguageError, Violation
from lingraft.server.services.served import Choice, Translator
from lingraft.v1 import common_pb2

_MOST_LISTED = 20
_FROM_GOOD_TO_BAD = (
    common_pb2.PAIR_STATUS_TRAINED,
    common_pb2.PAIR_STATUS_TRANSFER,
    common_pb2.PAIR_STATUS_NOT_STATED,
    common_pb2.PAIR_STATUS_ZERO_SHOT,
    common_pb2.PAIR_STATUS_UNSPECIFIED,
)


def only_source(models: Sequence[Translator], target: str) -> str:
    """The source of the only pair that leads to `target`.

    Raises UnsupportedLanguageError where none does, LanguageRequiredError where several do.
    """
    pairs = [pair for model in models for pair in model.pairs]
    sources = sorted({pair.source for pair in pairs if pair.target.lower() == target.lower()})
    if len(sources) == 1:
        return sources[0]
    if not sources:
        raise unsupported(models, "", target)
    listed = ", ".join(sources[:_MOST_LISTED])
    message = f"source_language is needed: {target} can be reached from {listed}"
    violation = Violation("source_language", f"one of {listed}")
    metadata = {"target_language": target, "candidates": listed}
    raise LanguageRequiredError(message, [violation], metadata)


def through_third(models: Sequence[Translator], source: str, target: str) -> Choice | None:
    """The best way in two steps: the one whose worse step has the better evidence; of equals that
    through English. None where there is none."""
    begin, end = source.lower(), target.lower()
    first: dict[str, Choice] = {}
    second: dict[str, Choice] = {}
    for model in models:
        for pair in model.pairs:
            if pair.source.lower() == begin:
                first.setdefault(pair.target.lower(), Choice(model, pair, inferred=False))
            if pair.target.lower() == end:
                second.setdefault(pair.source.lower(), Choice(model, pair, inferred=False))

    def badness(middle: str) -> tuple[int, bool, str]:
        steps = first[middle], second[middle]
        statuses = (step.model.evidence(step.pair).status for step in steps)
        return max(map(_FROM_GOOD_TO_BAD.index, statuses)), middle != "en", middle

    best = min(first.keys() & second.keys() - {begin, end}, key=badness, default=None)
    return None if best is None else replace(first[best], onward=second[best])


def unsupported(models: Sequence[Translator], source: str, target: str) -> UnsupportedLanguageError:
    """Why nothing translates from `source` ("" for any) to `target`."""
    pairs = {f"{pair.source}-{pair.target}" for model in models for pair in model.pairs}
    listed = ", ".join(sorted(pairs)[:_MOST_LISTED]) or "none"
    asked = f"from {source} to {target}" if source else f"to {target}"
    found = through_third(models, source, target) if source else None
    hint = f"; allow_pivot would go through {found.pair.target}" if found else ""
    message = f"nothing translates {asked}; pairs: {listed}{hint}"
    field = _field_at_fault(models, target)
    metadata = {"source_language": source, "target_language": target}
    return UnsupportedLanguageError(message, [Violation(field, message)], metadata)


def _field_at_fault(models: Sequence[Translator], target: str) -> str:
    targets = {pair.target.lower() for model in models for pair in model.pairs}
    return "source_language" if target.lower() in targets else "target_language"
