"""ClassificationService: many documents at once, each with labels or an error of its own."""

from __future__ import annotations

from collections.abc import Set
from functools import partial
from typing import Any

from lingraft.server.batching import Document, Scores
from lingraft.server.errors import InternalError, RequestError, merge
from lingraft.server.services.common import (
    Edge,
    batch_faults,
    beside_the_loop,
    check_text,
    enum_faults,
    invalid,
    page_of,
    refuse,
    unfilled,
    unsupported,
)
from lingraft.server.services.documents import answer_each, read_each
from lingraft.server.services.registry import Registry
from lingraft.server.services.scoring import calibrated, labels, score
from lingraft.server.services.served import Classifier
from lingraft.server.services.thresholds import decide, profiles
from lingraft.server.status import to_status
from lingraft.v1 import (
    classification_pb2,
    classification_pb2_grpc,
    common_pb2,
)

_EXPLANATIONS = (
    classification_pb2.EXPLANATION_TOKENS,
    classification_pb2.EXPLANATION_SPANS,
)


class ClassificationService(classification_pb2_grpc.ClassificationServiceServicer):
    """The rooms inside do the work: `text` reads, `batching` classifies."""

    def __init__(self, registry: Registry, edge: Edge) -> None:
        self._registry, self._edge = registry, edge

    async def ClassifyText(  # noqa: N802 -- a name of the API
        self, request: classification_pb2.ClassifyTextRequest, context: Any
    ) -> classification_pb2.ClassifyTextResponse:
        """Answers when all documents are done."""
        model = self._choose(request)
        deadline = self._edge.deadline(context)
        read = partial(read_each, request.documents, partial(_read, self._edge, model))
        texts = [document.content for document in request.documents]
        readings = await beside_the_loop(texts, read)
        cut = {at for at, read in enumerate(readings) if isinstance(read, Document) and read.cut}
        compose = partial(_result, model, request, cut)
        results = await answer_each(model.scheduler, readings, compose, deadline)
        return classification_pb2.ClassifyTextResponse(
            results=results, request_id=request.request_id
        )

    async def ListClassifiers(  # noqa: N802 -- a name of the API
        self, request: classification_pb2.ListClassifiersRequest, context: Any
    ) -> classification_pb2.ListClassifiersResponse:
        """The newest version of each classifier, with its evidence."""
        models = self._registry.classifiers()
        page, token = page_of(models, request.page_size, request.page_token)
        return classification_pb2.ListClassifiersResponse(
            classifiers=[_listed(model) for model in page], next_page_token=token
        )

    ClassifyMessage = unfilled("ClassifyMessage")

    def _choose(self, request: classification_pb2.ClassifyTextRequest) -> Classifier:
        """The model that answers; all faults of the request are refused at once."""
        faults = _faults(self._edge, request)
        try:
            model = self._registry.classifier(request.model)
        except RequestError as fault:
            raise merge([*faults, fault]) from fault
        refuse([*faults, *_profile_faults(model, request.threshold_profile)])
        return model


def _faults(edge: Edge, request: classification_pb2.ClassifyTextRequest) -> list[RequestError]:
    faults = batch_faults(edge, request, "documents")
    faults += enum_faults(request, "score_kind", "explain")
    if request.top_k < 0:
        faults.append(invalid("top_k", f"must not be negative, is {request.top_k}"))
    if request.explain in _EXPLANATIONS:
        faults.append(unsupported("explain"))
    for index, document in enumerate(request.documents):
        for fault in enum_faults(document, "mime_type"):
            faults.append(invalid(f"documents[{index}].{fault.violations[0].field}", "is unknown"))
        if document.mime_type == common_pb2.MIME_TYPE_TEXT_HTML:
            faults.append(unsupported(f"documents[{index}].mime_type"))
    return faults


def _profile_faults(model: Classifier, profile: str) -> list[RequestError]:
    known = profiles(model)
    if not profile or profile in known:
        return []
    told = f"the model has {', '.join(known)}" if known else "the model has no thresholds"
    return [invalid("threshold_profile", f"{profile!r} is unknown: {told}")]


def _read(
    edge: Edge, model: Classifier, document: classification_pb2.Document, place: int
) -> Document:
    field = f"documents[{place}].content"
    check_text(edge, document.content, field)
    pieces = model.codec.pieces(document.content, document.language)
    ids = model.codec.classification_ids(pieces)
    over = len(ids) - model.bundle.limits.max_source_tokens
    if over <= 0:
        return Document(ids)
    # As texts were read in training and on test: what is over is left out, not what frames them.
    return Document(model.codec.classification_ids(pieces[:-over]), cut=True)


def _result(
    model: Classifier,
    request: classification_pb2.ClassifyTextRequest,
    cut: Set[int],
    outcome: Scores | RequestError | InternalError,
    place: int,
) -> classification_pb2.ClassificationResult:
    if not isinstance(outcome, Scores):
        return classification_pb2.ClassificationResult(error=to_status(outcome))
    answer = _classification(model, request, request.documents[place], outcome)
    if place in cut:
        answer.warnings.append(common_pb2.WARNING_TRUNCATED)
    return classification_pb2.ClassificationResult(classification=answer)


def _classification(
    model: Classifier,
    request: classification_pb2.ClassifyTextRequest,
    document: classification_pb2.Document,
    scores: Scores,
) -> classification_pb2.Classification:
    known = {language.lower() for language in model.bundle.languages}
    supported = document.language.lower() in known
    scored = score(model, scores.logits, request.score_kind, document.language)
    probabilities = calibrated(model, scores.logits, document.language).scores
    decided = decide(model, request.threshold_profile, document.language, probabilities)
    answer = classification_pb2.Classification(
        labels=labels(
            model.bundle.labels, scores.logits, scored.scores, decided.above, request.top_k
        ),
        language=document.language,
        language_supported=supported,
        decision=decided.decision,
        calibration=scored.calibration,
        model=model.name,
    )
    if model.manifest.HasField("transfer"):
        answer.transfer.CopyFrom(model.manifest.transfer)
    if document.language and not supported:
        answer.warnings.append(common_pb2.WARNING_LANGUAGE_UNSUPPORTED)
    return answer


def _listed(model: Classifier) -> classification_pb2.Classifier:
    manifest = model.manifest
    listed = classification_pb2.Classifier(
        name=model.name,
        display_name=manifest.display_name,
        labels=manifest.labels,
        languages=manifest.languages,
        metrics=manifest.metrics,
        calibrations=manifest.calibration,
        max_input_tokens=model.bundle.limits.max_source_tokens,
        thresholds=manifest.thresholds,
        default_threshold_profile=manifest.default_threshold_profile,
    )
    if manifest.HasField("transfer"):
        listed.transfer.CopyFrom(manifest.transfer)
    return listed
