"""What the server says about its models and pairs, and how lists are paged."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from google.protobuf import json_format

from lingraft.server.bundle import Bundle, read_bundle
from lingraft.v1 import bundle_pb2, common_pb2, models_pb2, translation_pb2

Refuse = Callable[..., Any]
PAIRS = translation_pb2.ListLanguagePairsRequest


@pytest.fixture
def catalogue(
    served: Callable[..., Any],
    echo_model: Callable[..., Any],
    length_model: Callable[..., Any],
    edited: Callable[..., Any],
) -> Any:
    """Two versions of a translator and a classifier."""
    folder = edited("v1-translation", lambda manifest: manifest.update(version="2"))
    return served(echo_model()[0], echo_model(bundle=read_bundle(folder))[0], length_model()[0])


def _directions(response: Any) -> list[str]:
    return [f"{pair.source_language}-{pair.target_language}" for pair in response.language_pairs]


def test_models_are_listed_by_name_in_their_newest_version(catalogue: Any) -> None:
    """One entry for each name."""
    models = catalogue.models.ListModels(models_pb2.ListModelsRequest()).models
    assert [model.name for model in models] == [
        "models/golden-classification/versions/1",
        "models/golden-translation/versions/2",
    ]
    classifier, translator = models
    assert classifier.task == bundle_pb2.TASK_CLASSIFICATION
    assert list(classifier.labels) == ["ham", "spam"]
    assert translator.state == models_pb2.Model.STATE_READY
    assert translator.precision == bundle_pb2.PRECISION_FP32
    assert translator.provider == "cpu"
    assert translator.limits.max_target_tokens == 24
    assert translator.HasField("load_time")
    assert len(translator.pairs) == 4


def test_one_model_is_found_by_name_and_by_version(catalogue: Any) -> None:
    """A name alone means the newest."""
    get = catalogue.models.GetModel
    newest = get(models_pb2.GetModelRequest(name="models/golden-translation"))
    assert newest.name.endswith("/versions/2")
    first = get(models_pb2.GetModelRequest(name="models/golden-translation/versions/1"))
    assert first.name.endswith("/versions/1")


def test_versions_are_listed_newest_first(catalogue: Any) -> None:
    """All of one name."""
    request = models_pb2.ListModelVersionsRequest(parent="models/golden-translation")
    versions = catalogue.models.ListModelVersions(request).models
    assert [model.name[-1] for model in versions] == ["2", "1"]


def test_a_card_comes_with_the_whole_manifest(catalogue: Any, translation_bundle: Bundle) -> None:
    """Evidence, hashes, data and licence, as the bundle states them."""
    name = "models/golden-translation/versions/1/card"
    card = catalogue.models.GetModelCard(models_pb2.GetModelCardRequest(name=name))
    assert card.name == name
    assert card.markdown == translation_bundle.card != ""
    manifest = json_format.Parse(translation_bundle.manifest, bundle_pb2.Bundle())
    assert card.bundle == manifest


@pytest.mark.parametrize(
    ("method", "request_", "reason"),
    [
        ("GetModel", models_pb2.GetModelRequest(name="none"), "ARGUMENT_INVALID"),
        ("GetModel", models_pb2.GetModelRequest(name="models/none"), "MODEL_NOT_FOUND"),
        ("GetModelCard", models_pb2.GetModelCardRequest(name="models/x"), "ARGUMENT_INVALID"),
        ("GetModelCard", models_pb2.GetModelCardRequest(name="models/x/card"), "MODEL_NOT_FOUND"),
        (
            "ListModelVersions",
            models_pb2.ListModelVersionsRequest(parent="models/x/versions/1"),
            "ARGUMENT_INVALID",
        ),
        (
            "ListModelVersions",
            models_pb2.ListModelVersionsRequest(parent="models/x"),
            "MODEL_NOT_FOUND",
        ),
        ("ListModels", models_pb2.ListModelsRequest(page_size=-1), "ARGUMENT_INVALID"),
        ("ListModels", models_pb2.ListModelsRequest(page_token="?"), "ARGUMENT_INVALID"),
    ],
)
def test_a_wrong_name_or_page_is_refused(
    catalogue: Any, refusal: Refuse, method: str, request_: Any, reason: str
) -> None:
    """Another form is no argument; the right form of nothing is not found."""
    assert refusal(getattr(catalogue.models, method), request_).reason == reason


def test_pairs_are_listed_with_their_evidence(catalogue: Any) -> None:
    """Ordered; with metrics and transfer report where the bundle has them."""
    response = catalogue.translation.ListLanguagePairs(PAIRS())
    assert _directions(response) == ["en-haw", "en-yo", "haw-en", "yo-en"]
    pair = response.language_pairs[1]
    assert pair.display_name == "English to Yoruba"
    assert pair.name == "models/golden-translation/languagePairs/en-yo"
    assert pair.model == "models/golden-translation/versions/2"
    assert pair.status == common_pb2.PAIR_STATUS_TRANSFER
    assert pair.metrics[0].name == "chrF++"
    assert pair.transfer.verdict == common_pb2.VERDICT_PASS
    assert pair.max_input_tokens == 64


def test_the_basic_view_leaves_the_evidence_out(catalogue: Any) -> None:
    """For menus."""
    view = translation_pb2.LANGUAGE_PAIR_VIEW_BASIC
    for pair in catalogue.translation.ListLanguagePairs(PAIRS(view=view)).language_pairs:
        assert not pair.metrics
        assert not pair.HasField("transfer")


@pytest.mark.parametrize(
    ("text", "directions"),
    [
        ('source_language = "EN"', ["en-haw", "en-yo"]),
        ('source_language="en" AND target_language="yo"', ["en-yo"]),
        ('status = "ZERO_SHOT"', ["en-haw"]),
        ('status = "PAIR_STATUS_ZERO_SHOT"', ["en-haw"]),
        ('model = "models/golden-translation" AND status="TRANSFER"', ["en-yo", "haw-en", "yo-en"]),
        ('model = "models/other"', []),
    ],
)
def test_pairs_can_be_filtered(catalogue: Any, text: str, directions: list[str]) -> None:
    """By the four fields that the API names."""
    assert _directions(catalogue.translation.ListLanguagePairs(PAIRS(filter=text))) == directions


@pytest.mark.parametrize(
    "text", ["en", 'licence = "x"', 'status="A" OR status="B"', 'status = "SHOT"', "AND"]
)
def test_a_filter_that_is_none_is_refused(catalogue: Any, refusal: Refuse, text: str) -> None:
    """Rather than passed over."""
    error = refusal(catalogue.translation.ListLanguagePairs, PAIRS(filter=text))
    assert error.reason == "ARGUMENT_INVALID"
    assert list(error.fields) == ["filter"]


def test_pages_come_one_after_another_and_end(catalogue: Any) -> None:
    """Each pair once, none left out."""
    found, token = [], ""
    for _ in range(3):
        page = catalogue.translation.ListLanguagePairs(PAIRS(page_size=2, page_token=token))
        found += _directions(page)
        token = page.next_page_token
        if not token:
            break
    assert found == ["en-haw", "en-yo", "haw-en", "yo-en"]


def test_a_forged_page_token_is_refused(catalogue: Any, refusal: Refuse) -> None:
    """A place before the first would show the end of the list."""
    forged = base64.urlsafe_b64encode(f"-1.{zlib.crc32(b'')}".encode()).decode()
    request = models_pb2.ListModelsRequest(page_token=forged)
    error = refusal(catalogue.models.ListModels, request)
    assert (error.reason, list(error.fields)) == ("ARGUMENT_INVALID", ["page_token"])


def test_a_page_token_is_good_for_its_own_query_alone(catalogue: Any, refusal: Refuse) -> None:
    """With another filter it would show a page of something else."""
    ask = catalogue.translation.ListLanguagePairs
    token = ask(PAIRS(page_size=2)).next_page_token
    error = refusal(ask, PAIRS(page_token=token, filter='status="TRANSFER"', page_size=-3))
    assert set(error.fields) == {"page_token", "page_size"}
