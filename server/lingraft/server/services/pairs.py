"""ListLanguagePairs: the served pairs with the evidence of their bundles, filtered and paged."""

from __future__ import annotations

import re
from collections.abc import Callable

from lingraft.server.errors import RequestError
from lingraft.server.services.common import enum_faults, invalid, page_of, refuse
from lingraft.server.services.registry import Registry
from lingraft.server.services.served import Translator
from lingraft.v1 import bundle_pb2, common_pb2, translation_pb2

_CONDITION = re.compile(r'\s*(\w+)\s*=\s*"([^"]*)"\s*')
_FIELDS = ("source_language", "target_language", "model", "status")
_STATUS = "PAIR_STATUS_"
_BASIC = translation_pb2.LANGUAGE_PAIR_VIEW_BASIC
_ENGLISH_NAMES = {
    "ar": "Arabic",
    "de": "German",
    "en": "English",
    "es": "Spanish",
    "fr": "French",
    "haw": "Hawaiian",
    "ig": "Igbo",
    "pt": "Portuguese",
    "sd": "Sindhi",
    "sw": "Swahili",
    "yo": "Yoruba",
}

Test = Callable[[translation_pb2.LanguagePair], bool]


def list_pairs(
    registry: Registry, request: translation_pb2.ListLanguagePairsRequest
) -> translation_pb2.ListLanguagePairsResponse:
    """A page of pairs, ordered by source, target and model. Raises InvalidArgumentError."""
    refuse(enum_faults(request, "view"))
    tests = _tests(request.filter)
    models = [model for model in registry.newest() if isinstance(model, Translator)]
    every = [_pair(model, pair, request.view) for model in models for pair in model.manifest.pairs]
    wanted = [pair for pair in every if all(test(pair) for test in tests)]
    wanted.sort(key=lambda pair: (pair.source_language, pair.target_language, pair.model))
    query = f"{request.filter}/{request.view}"
    page, token = page_of(wanted, request.page_size, request.page_token, query)
    return translation_pb2.ListLanguagePairsResponse(language_pairs=page, next_page_token=token)


def _pair(
    model: Translator, pair: bundle_pb2.BundlePair, view: translation_pb2.LanguagePairView
) -> translation_pb2.LanguagePair:
    direction = f"{pair.source_language}-{pair.target_language}"
    listed = translation_pb2.LanguagePair(
        name=f"{model.short_name}/languagePairs/{direction}",
        source_language=pair.source_language,
        target_language=pair.target_language,
        display_name=f"{_called(pair.source_language)} to {_called(pair.target_language)}",
        status=pair.status,
        model=model.name,
        max_input_tokens=model.bundle.limits.max_source_tokens,
    )
    if view != _BASIC:
        listed.metrics.extend(pair.metrics)
        if pair.HasField("transfer"):
            listed.transfer.CopyFrom(pair.transfer)
    return listed


def _called(language: str) -> str:
    return _ENGLISH_NAMES.get(language.lower(), language)


def _tests(text: str) -> list[Test]:
    """The conditions of a filter. Raises InvalidArgumentError naming all that is wrong with it."""
    faults: list[RequestError] = []
    tests = []
    for condition in re.split(r"\bAND\b", text) if text.strip() else []:
        found = _CONDITION.fullmatch(condition)
        if found is None or found.group(1) not in _FIELDS:
            what = f'must be field = "value" joined with AND, fields: {", ".join(_FIELDS)}'
            faults.append(invalid("filter", f"{what}; not {condition.strip()!r}"))
        elif found.group(1) == "status" and _status(found.group(2)) is None:
            faults.append(invalid("filter", f"knows no status {found.group(2)!r}"))
        else:
            tests.append(_test(*found.groups()))
    refuse(faults)
    return tests


def _test(field: str, value: str) -> Test:
    if field == "status":
        return lambda pair: pair.status == _status(value)
    if field == "model":
        return lambda pair: value in (pair.model, pair.model.partition("/versions/")[0])
    return lambda pair: str(getattr(pair, field)).lower() == value.lower()


def _status(value: str) -> int | None:
    """The number of a status, by its whole name or without the prefix; None for what is none."""
    name = _STATUS + value.upper().removeprefix(_STATUS)
    known = common_pb2.PairStatus.DESCRIPTOR.values_by_name
    return known[name].number if name in known else None
