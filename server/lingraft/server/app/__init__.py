"""The only place that wires: bundles into models, models into services, services into a server."""

from lingraft.server.app.collecting import collect_less
from lingraft.server.app.launching import launch_models
from lingraft.server.app.loading import classifier, identifier, load_model, load_models, translator
from lingraft.server.app.server import SERVICES, LingraftServer, serve

__all__ = [
    "SERVICES",
    "LingraftServer",
    "classifier",
    "collect_less",
    "identifier",
    "launch_models",
    "load_model",
    "load_models",
    "serve",
    "translator",
]
