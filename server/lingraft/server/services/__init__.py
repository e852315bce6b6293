"""The gRPC edge: each service validates, asks the rooms inside, and replies."""

from lingraft.server.services.classification import ClassificationService
from lingraft.server.services.common import Edge
from lingraft.server.services.models import ModelService
from lingraft.server.services.registry import Registry
from lingraft.server.services.served import Classifier, Identifier, ServedModel, Translator
from lingraft.server.services.translation import TranslationService

__all__ = [
    "ClassificationService",
    "Classifier",
    "Edge",
    "Identifier",
    "ModelService",
    "Registry",
    "ServedModel",
    "TranslationService",
    "Translator",
]
