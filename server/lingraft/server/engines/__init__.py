"""The engines: ONNX graphs behind two small protocols."""

from lingraft.server.engines.base import ClassificationEngine, Step, TranslationEngine
from lingraft.server.engines.cache import HostMemory
from lingraft.server.engines.choice import choose_graphs
from lingraft.server.engines.classifier import OnnxClassifier
from lingraft.server.engines.device import DeviceMemory
from lingraft.server.engines.footprint import Blocks
from lingraft.server.engines.seq2seq import OnnxTranslator, TranslationGraphs
from lingraft.server.engines.session import open_session

__all__ = [
    "Blocks",
    "ClassificationEngine",
    "DeviceMemory",
    "HostMemory",
    "OnnxClassifier",
    "OnnxTranslator",
    "Step",
    "TranslationEngine",
    "TranslationGraphs",
    "choose_graphs",
    "open_session",
]
