"""The services that every gRPC server is expected to have: health and reflection.

grpc.health.v1: one entry for each service, one for each model (`models/NAME`), and "" for the whole
server. Reflection: v1alpha, and v1 with the same messages, which differ in the package name alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2

_REFLECTION_V1 = "grpc.reflection.v1.ServerReflection"
_SERVING = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
WHOLE_SERVER = ""


class Health:
    """What load balancers and orchestrators are told."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = (WHOLE_SERVER, *names)
        self._servicer = health.aio.HealthServicer()

    def add_to(self, server: Any) -> None:
        """Adds the service to a server."""
        health_pb2_grpc.add_HealthServicer_to_server(self._servicer, server)

    async def all_serving(self) -> None:
        """Everything can be called."""
        for name in self._names:
            await self._servicer.set(name, _SERVING)

    async def not_serving(self, *names: str) -> None:
        """These can not be called any more."""
        for name in names:
            await self._servicer.set(name, _NOT_SERVING)

    async def shutting_down(self) -> None:
        """Nothing can be called any more, for good."""
        await self._servicer.enter_graceful_shutdown()


def add_reflection(server: Any, names: Iterable[str]) -> None:
    """Adds reflection of the services `names`, and of the standard ones, to a server."""
    every = (*names, health.SERVICE_NAME, reflection.SERVICE_NAME, _REFLECTION_V1)
    reflection.enable_server_reflection(every, server)
    handler = grpc.stream_stream_rpc_method_handler(
        reflection.aio.ReflectionServicer(every).ServerReflectionInfo,
        request_deserializer=reflection_pb2.ServerReflectionRequest.FromString,
        response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    methods = {"ServerReflectionInfo": handler}
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler(_REFLECTION_V1, methods),)
    )
