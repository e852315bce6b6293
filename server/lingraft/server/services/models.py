"""ModelService: which models are served, and their cards."""

from __future__ import annotations

from typing import Any

from google.protobuf import timestamp_pb2

from lingraft.server.services.common import invalid, page_of, unfilled
from lingraft.server.services.registry import Registry
from lingraft.server.services.served import ServedModel
from lingraft.v1 import bundle_pb2, models_pb2, models_pb2_grpc

_CARD = "/card"


class ModelService(models_pb2_grpc.ModelServiceServicer):
    """All models are loaded when the server starts; loading and unloading are not built yet."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    async def ListModels(  # noqa: N802 -- a name of the API
        self, request: models_pb2.ListModelsRequest, context: Any
    ) -> models_pb2.ListModelsResponse:
        """The newest version of each model."""
        models = self._registry.newest()
        page, token = page_of(models, request.page_size, request.page_token)
        return models_pb2.ListModelsResponse(
            models=[_described(model) for model in page], next_page_token=token
        )

    async def GetModel(  # noqa: N802 -- a name of the API
        self, request: models_pb2.GetModelRequest, context: Any
    ) -> models_pb2.Model:
        """One model."""
        return _described(self._registry.find(request.name, "name"))

    async def ListModelVersions(  # noqa: N802 -- a name of the API
        self, request: models_pb2.ListModelVersionsRequest, context: Any
    ) -> models_pb2.ListModelVersionsResponse:
        """All versions of one model, newest first."""
        models = self._registry.versions(request.parent, "parent")
        page, token = page_of(models, request.page_size, request.page_token, request.parent)
        return models_pb2.ListModelVersionsResponse(
            models=[_described(model) for model in page], next_page_token=token
        )

    async def GetModelCard(  # noqa: N802 -- a name of the API
        self, request: models_pb2.GetModelCardRequest, context: Any
    ) -> models_pb2.ModelCard:
        """The card and the manifest of one model."""
        model = self._registry.find(_before(request.name, _CARD), "name")
        return models_pb2.ModelCard(
            name=model.name + _CARD, markdown=model.bundle.card, bundle=model.manifest
        )

    LoadModel = unfilled("LoadModel")
    UnloadModel = unfilled("UnloadModel")
    GetModelStatistics = unfilled("GetModelStatistics")


def _before(name: str, ending: str) -> str:
    """The model that a card belongs to."""
    if not name.endswith(ending):
        raise invalid("name", f"must end with {ending}, is {name!r}")
    return name.removesuffix(ending)


def _described(model: ServedModel) -> models_pb2.Model:
    manifest = model.manifest
    loaded = timestamp_pb2.Timestamp()
    loaded.FromDatetime(model.loaded)
    return models_pb2.Model(
        name=model.name,
        display_name=manifest.display_name,
        task=manifest.task,
        family=manifest.family,
        state=models_pb2.Model.STATE_READY,
        precision=f"PRECISION_{model.precision.name}",
        provider=model.provider,
        pairs=[_direction(pair) for pair in manifest.pairs],
        labels=manifest.labels,
        languages=manifest.languages,
        limits=manifest.limits,
        parent=manifest.parent,
        licence=manifest.licence,
        load_time=loaded,
    )


def _direction(pair: bundle_pb2.BundlePair) -> models_pb2.ModelLanguagePair:
    return models_pb2.ModelLanguagePair(
        source_language=pair.source_language,
        target_language=pair.target_language,
        status=pair.status,
    )
