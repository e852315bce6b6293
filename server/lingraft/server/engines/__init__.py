"""The engines: ONNX graphs behind two small protocols."""

from lingraft.server.engines.base import ClassificationEngine, TranslationEngine
from lingraft.server.engines.classifier import OnnxClassifier
from lingraft.server.engines.seq2seq import OnnxTranslator
from lingraft.server.engines.session import open_session

__all__ = [
    "ClassificationEngine",
    "OnnxClassifier",
    "OnnxTranslator",
    "TranslationEngine",
    "open_session",
]
