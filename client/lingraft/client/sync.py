"""The client that waits: one channel, usable from many threads at once."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Any, Self, TypeVar, overload

import grpc
from google.protobuf import wrappers_pb2

from lingraft.client import requests, responses, results
from lingraft.client.config import ClientConfig, channel_options, credentials, settle
from lingraft.client.errors import ArgumentError, Origin, ServiceError, from_rpc_error
from lingraft.v1 import classification_pb2_grpc, models_pb2_grpc, translation_pb2_grpc

Request = TypeVar("Request")
Response = TypeVar("Response")


class Client:
    """A connection to a Lingraft server; close it, or use it in a `with` statement.

    `timeout` of each method is in seconds; None takes the configured `timeout_s`. Every method
    raises ServiceError, and ArgumentError when nothing could be sent.
    """

    def __init__(self, server: str | None = None, *, config: ClientConfig | None = None) -> None:
        """Connects to `server` ("HOST:PORT") on first use; settings left out are LINGRAFT_*."""
        self._config = settle(server, config)
        self._channel: grpc.Channel | None = _open(self._config)
        self._translation = translation_pb2_grpc.TranslationServiceStub(self._channel)
        self._classification = classification_pb2_grpc.ClassificationServiceStub(self._channel)
        self._models = models_pb2_grpc.ModelServiceStub(self._channel)
        self._health = self._channel.unary_unary(
            requests.HEALTH_CHECK,
            request_serializer=wrappers_pb2.StringValue.SerializeToString,
            response_deserializer=wrappers_pb2.Int32Value.FromString,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Gives the connection back; running calls fail with CallCancelledError."""
        if self._channel is not None:
            self._channel.close()
            self._channel = None

    @overload
    def translate(
        self,
        texts: str,
        target_language: str,
        source_language: str | None = None,
        model: str | None = None,
        timeout: float | None = None,
        *,
        decoding: requests.Decoding | None = None,
        details: requests.Details | None = None,
        allow_pivot: bool = False,
    ) -> results.Translation: ...

    @overload
    def translate(
        self,
        texts: list[str] | tuple[str, ...],
        target_language: str,
        source_language: str | None = None,
        model: str | None = None,
        timeout: float | None = None,
        *,
        decoding: requests.Decoding | None = None,
        details: requests.Details | None = None,
        allow_pivot: bool = False,
    ) -> tuple[results.Translation | ServiceError, ...]: ...

    def translate(
        self,
        texts: str | list[str] | tuple[str, ...],
        target_language: str,
        source_language: str | None = None,
        model: str | None = None,
        timeout: float | None = None,
        *,
        decoding: requests.Decoding | None = None,
        details: requests.Details | None = None,
        allow_pivot: bool = False,
    ) -> results.Translation | tuple[results.Translation | ServiceError, ...]:
        """Translates one text, or many in order.

        One text gives its Translation, or raises its error. Many give a Translation or a
        ServiceError for each, in the same order; only what fails the whole call is raised.
        Languages are BCP-47; without `source_language` the server infers it where it can.
        `decoding` says how to search, `details` what to add to the answers. With `allow_pivot` a
        pair that no model has may go through a third language; the answer says which.
        """
        batch = [texts] if isinstance(texts, str) else list(texts)
        request = requests.translate(
            batch,
            target_language,
            source_language,
            model,
            decoding,
            details,
            allow_pivot=allow_pivot,
        )
        response = self._call(self._translation.TranslateText, request, timeout)
        items = responses.translations(response, len(batch))
        return responses.only(items) if isinstance(texts, str) else items

    @overload
    def classify(
        self,
        texts: str,
        model: str | None = None,
        language: str | None = None,
        timeout: float | None = None,
        *,
        top_k: int | None = None,
        thresholds: str | None = None,
    ) -> results.Classification: ...

    @overload
    def classify(
        self,
        texts: list[str] | tuple[str, ...],
        model: str | None = None,
        language: str | None = None,
        timeout: float | None = None,
        *,
        top_k: int | None = None,
        thresholds: str | None = None,
    ) -> tuple[results.Classification | ServiceError, ...]: ...

    def classify(
        self,
        texts: str | list[str] | tuple[str, ...],
        model: str | None = None,
        language: str | None = None,
        timeout: float | None = None,
        *,
        top_k: int | None = None,
        thresholds: str | None = None,
    ) -> results.Classification | tuple[results.Classification | ServiceError, ...]:
        """Labels one text, or many in order, as `translate` does. `top_k` None: all labels.

        `thresholds` names the set of the model by which a decision is made; None: its default.
        """
        batch = [texts] if isinstance(texts, str) else list(texts)
        request = requests.classify(batch, language, model, top_k, thresholds)
        response = self._call(self._classification.ClassifyText, request, timeout)
        items = responses.classifications(response, len(batch))
        return responses.only(items) if isinstance(texts, str) else items

    @overload
    def detect(
        self, texts: str, max_candidates: int = 1, timeout: float | None = None
    ) -> results.LanguageDetection: ...

    @overload
    def detect(
        self,
        texts: list[str] | tuple[str, ...],
        max_candidates: int = 1,
        timeout: float | None = None,
    ) -> tuple[results.LanguageDetection | ServiceError, ...]: ...

    def detect(
        self,
        texts: str | list[str] | tuple[str, ...],
        max_candidates: int = 1,
        timeout: float | None = None,
    ) -> results.LanguageDetection | tuple[results.LanguageDetection | ServiceError, ...]:
        """Says which language one text is in, or many in order, as `translate` does."""
        batch = [texts] if isinstance(texts, str) else list(texts)
        request = requests.detect(batch, max_candidates)
        response = self._call(self._translation.DetectLanguage, request, timeout)
        items = responses.detections(response, len(batch))
        return responses.only(items) if isinstance(texts, str) else items

    def list_language_pairs(self, timeout: float | None = None) -> tuple[results.LanguagePair, ...]:
        """All served directions with their evidence. `timeout` holds for each page of them."""
        method = self._translation.ListLanguagePairs
        pages = self._pages(method, requests.list_language_pairs, timeout)
        return tuple(
            responses.language_pair(each) for page in pages for each in page.language_pairs
        )

    def list_models(self, timeout: float | None = None) -> tuple[results.Model, ...]:
        """All models. `timeout` holds for each page of them."""
        pages = self._pages(self._models.ListModels, requests.list_models, timeout)
        return tuple(responses.model(each) for page in pages for each in page.models)

    def get_model_card(self, model: str, timeout: float | None = None) -> results.ModelCard:
        """The card of a model: what it is, where it comes from, how good it is."""
        request = requests.get_model_card(model)
        return responses.model_card(self._call(self._models.GetModelCard, request, timeout))

    def check_health(self, service: str = "", timeout: float | None = None) -> results.Health:
        """Whether a service or model answers, "" for the whole server.

        Raises NotFoundError where the server knows no such service.
        """
        request = requests.check_health(service)
        return responses.health(service, self._call(self._health, request, timeout))

    def _pages(
        self,
        method: grpc.UnaryUnaryMultiCallable[Request, Any],
        request: Callable[[str], Request],
        timeout: float | None,
    ) -> list[Any]:
        pages = [self._call(method, request(""), timeout)]
        while pages[-1].next_page_token:
            pages.append(self._call(method, request(pages[-1].next_page_token), timeout))
        return pages

    def _call(
        self,
        method: grpc.UnaryUnaryMultiCallable[Request, Response],
        request: Request,
        timeout: float | None,
    ) -> Response:
        if self._channel is None:
            raise ArgumentError("this client is closed; make a new one")
        origin = Origin(self._config.server, self._config.timeout_s if timeout is None else timeout)
        try:
            return method(request, timeout=origin.timeout_s)
        except grpc.RpcError as error:
            raise from_rpc_error(error, origin) from None


def _open(config: ClientConfig) -> grpc.Channel:
    secret, options = credentials(config), channel_options(config)
    if secret is None:
        return grpc.insecure_channel(config.server, options=options)
    return grpc.secure_channel(config.server, secret, options=options)
