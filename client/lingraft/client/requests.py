"""What is sent: arguments become messages, by pure functions that both clients share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from google.protobuf import wrappers_pb2

from lingraft.client.errors import ArgumentError
from lingraft.v1 import classification_pb2, models_pb2, translation_pb2

HEALTH_CHECK = "/grpc.health.v1.Health/Check"


@dataclass(frozen=True)
class Decoding:
    """How target text is searched for; None leaves a choice to the model.

    Ranges and meaning are those of DecodingOptions in translation.proto. A server that cannot do
    one of them answers OptionUnsupportedError.
    """

    beam_size: int | None = None
    max_output_tokens: int | None = None
    min_output_tokens: int | None = None
    length_penalty: float | None = None
    max_length_ratio: float | None = None
    repetition_penalty: float | None = None
    no_repeat_ngram_size: int | None = None
    alternative_count: int | None = None
    target_prefix: str | None = None
    temperature: float | None = None
    top_k: int | None = None
    seed: int | None = None


@dataclass(frozen=True)
class Details:
    """What to add to a translation: its sentences; with them the scores of words, or alignment; how
    likely it is acceptable."""

    sentences: bool = False
    word_scores: bool = False
    alignment: bool = False
    quality: bool = False


def translate(
    texts: Sequence[str],
    target_language: str,
    source_language: str | None,
    model: str | None,
    decoding: Decoding | None,
    details: Details | None = None,
    *,
    allow_pivot: bool = False,
) -> translation_pb2.TranslateTextRequest:
    """The request for translations of `texts`."""
    _check_texts(texts)
    _word("target_prefix", decoding.target_prefix if decoding else None)
    options = {
        key: value for key, value in asdict(decoding or Decoding()).items() if value is not None
    }
    return translation_pb2.TranslateTextRequest(
        contents=texts,
        target_language=_word("target_language", target_language),
        source_language=_word("source_language", source_language),
        model=model_name(model),
        decoding=translation_pb2.DecodingOptions(**options) if options else None,
        response_options=translation_pb2.ResponseOptions(**asdict(details)) if details else None,
        allow_pivot=allow_pivot,
    )


def classify(
    texts: Sequence[str],
    language: str | None,
    model: str | None,
    top_k: int | None,
    thresholds: str | None = None,
) -> classification_pb2.ClassifyTextRequest:
    """The request for the labels of `texts`."""
    _check_texts(texts)
    tag = _word("language", language)
    documents = [classification_pb2.Document(content=text, language=tag) for text in texts]
    return classification_pb2.ClassifyTextRequest(
        documents=documents,
        model=model_name(model),
        top_k=top_k or 0,
        threshold_profile=_word("thresholds", thresholds),
    )


def detect(texts: Sequence[str], max_candidates: int) -> translation_pb2.DetectLanguageRequest:
    """The request for the languages of `texts`."""
    _check_texts(texts)
    return translation_pb2.DetectLanguageRequest(contents=texts, max_candidates=max_candidates)


def list_language_pairs(page_token: str) -> translation_pb2.ListLanguagePairsRequest:
    """The request for one page of pairs."""
    return translation_pb2.ListLanguagePairsRequest(page_token=page_token)


def list_models(page_token: str) -> models_pb2.ListModelsRequest:
    """The request for one page of models."""
    return models_pb2.ListModelsRequest(page_token=page_token)


def get_model_card(model: str) -> models_pb2.GetModelCardRequest:
    """The request for the card of a model; `model` may also be the card's own name."""
    return models_pb2.GetModelCardRequest(name=model_name(model).removesuffix("/card") + "/card")


def check_health(service: str) -> wrappers_pb2.StringValue:
    """The request of grpc.health.v1: on the wire it is a message of one string, as this one is."""
    return wrappers_pb2.StringValue(value=_word("service", service))


def model_name(model: str | None) -> str:
    """The resource name of a model: "parent-xs" is "models/parent-xs"; "" for None."""
    name = _word("model", model)
    return name if not name or name.startswith("models/") else f"models/{name}"


def _check_texts(texts: Sequence[str]) -> None:
    """Refuses what UTF-8, and so the wire, cannot hold."""
    bad = [f"text {place}" for place, text in enumerate(texts, start=1) if not _is_unicode(text)]
    if bad:
        raise ArgumentError(f"{', '.join(bad)}: not Unicode text (bytes that are not UTF-8?)")


def _word(field: str, value: str | None) -> str:
    if value is not None and not _is_unicode(value):
        raise ArgumentError(f"{field}: not Unicode text (bytes that are not UTF-8?)")
    return value or ""


def _is_unicode(text: str) -> bool:
    """False for half a surrogate pair, which is how Python keeps bytes that are not UTF-8."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
