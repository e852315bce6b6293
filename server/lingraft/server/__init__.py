"""The Lingraft server: translation and classification of ONNX bundles over gRPC, without torch.

A call goes `interceptors` -> `services` -> `text` -> `batching` -> `engines` and back; `app` wires
the rooms, and imports point inwards only.
"""

from lingraft.server.bundle import Bundle, read_bundle
from lingraft.server.config import ServerConfig
from lingraft.server.errors import ServerError, StartError

__all__ = ["Bundle", "ServerConfig", "ServerError", "StartError", "read_bundle"]
