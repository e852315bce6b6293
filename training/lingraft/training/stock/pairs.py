"""Which directions a stock checkpoint is exported for, and the text before their sources."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lingraft.training.errors import ExportError
from lingraft.training.stock.languages import by_language, is_language
from lingraft.training.stock.tokenizers import StockTokenizer
from lingraft.v1 import bundle_pb2 as pb

Pair = tuple[str, str]  # source and target, BCP-47

# What the original T5 was trained to read (Raffel et al. 2020, appendix D).
_T5_NAMES = {"de": "German", "en": "English", "fr": "French", "ro": "Romanian"}


def choose_pairs(tokenizer: StockTokenizer, asked: Sequence[str]) -> list[Pair]:
    """The pairs asked for as `en-yo`, or all that the tokenizer can name.

    Raises:
        ExportError: names every pair that cannot be, or says that pairs must be given.
    """
    if not asked:
        return _all_pairs(tokenizer)
    faults, pairs = [], []
    for text in asked:
        source, _, target = text.partition(":") if ":" in text else text.partition("-")
        problem = _fault(tokenizer, source, target)
        if problem:
            faults.append(f"{text}: {problem}")
        pairs.append((source, target))
    if faults:
        known = f"\nlanguages: {', '.join(sorted(tokenizer.tags))}" if tokenizer.tags else ""
        listed = "".join(f"\n  - {fault}" for fault in faults)
        raise ExportError(f"these pairs cannot be exported:{listed}{known}")
    return list(dict.fromkeys(pairs))


def prefixes(config: Any, pairs: Sequence[Pair], given: str) -> dict[Pair, str]:
    """The text before the sources of each pair: `given`, else what the checkpoint itself says.

    Raises:
        ExportError: `given` cannot be meant for all of several pairs, or a T5 knows no name for a
            language; names all.
    """
    if given:
        if len(pairs) > 1:
            raise ExportError("one prefix asks for one target: name one pair with it")
        return {pairs[0]: given}
    if config.model_type != "t5":
        return {}
    told = _told(config)
    strange = [pair for pair in pairs if pair not in told and not set(pair) <= _T5_NAMES.keys()]
    if strange:
        listed = ", ".join("-".join(pair) for pair in strange)
        raise ExportError(f"T5 has no prefix for {listed}: give one pair and its prefix")
    return {pair: told.get(pair) or _named(*pair) for pair in pairs}


def tags_of(tokenizer: StockTokenizer, pairs: Sequence[Pair]) -> list[pb.LanguageTag]:
    """The tags that the pairs need, by language."""
    sides: Iterator[str] = iter(())
    if tokenizer.placement == pb.TAG_PLACEMENT_TARGET_IN_SOURCE:
        sides = (target for _, target in pairs)
    elif tokenizer.placement == pb.TAG_PLACEMENT_SOURCE_AND_TARGET:
        sides = itertools.chain.from_iterable(pairs)
    found = []
    for language in sorted(set(sides)):
        piece, number = tokenizer.tags[language]
        found.append(pb.LanguageTag(language=language, piece=piece, id=number))
    return found


def _all_pairs(tokenizer: StockTokenizer) -> list[Pair]:
    if tokenizer.placement == pb.TAG_PLACEMENT_SOURCE_AND_TARGET:
        return list(itertools.permutations(tokenizer.tags, 2))
    source, target = map(_single, tokenizer.sides)
    if source and tokenizer.placement == pb.TAG_PLACEMENT_TARGET_IN_SOURCE:
        return [(source, language) for language in tokenizer.tags if language != source]
    if source and target:
        return [(source, target)]
    raise ExportError("the checkpoint does not say which languages it translates: give --pairs")


def _single(code: str) -> str:
    """The language of a code; "" for none or a group."""
    return next(iter(by_language([code]))) if is_language(code) else ""


def _fault(tokenizer: StockTokenizer, source: str, target: str) -> str:
    if not source or not target or source == target:
        return "a pair is two languages, en-yo, or zh-Hant:en where one has a hyphen"
    needed = {
        pb.TAG_PLACEMENT_SOURCE_AND_TARGET: (source, target),
        pb.TAG_PLACEMENT_TARGET_IN_SOURCE: (target,),
    }.get(tokenizer.placement, ())
    unknown = [language for language in needed if language not in tokenizer.tags]
    if unknown:
        return f"the tokenizer has no tag for {' and '.join(unknown)}"
    return ""


def _told(config: Any) -> Mapping[Pair, str]:
    """Prefixes that the checkpoint's configuration holds: `translation_en_to_de`."""
    tasks = getattr(config, "task_specific_params", None) or {}
    found = {}
    for name, settings in tasks.items():
        kind, _, direction = name.partition("_")
        source, _, target = direction.partition("_to_")
        if kind == "translation" and target and "prefix" in settings:
            found[source, target] = str(settings["prefix"])
    return found


def _named(source: str, target: str) -> str:
    return f"translate {_T5_NAMES[source]} to {_T5_NAMES[target]}: "
