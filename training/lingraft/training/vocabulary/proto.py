"""A SentencePiece model as a message: its pieces read, and others put behind them.

The schema that ships with sentencepiece is generated for a newer protobuf than users of other
generated code may have. These few fields of sentencepiece_model.proto suffice: protobuf carries the
fields that it does not know through unchanged. The settings of the training in the model stay those
of the old pieces; nothing reads their vocab_size to use a model.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, BYTE = 0, 2, 3, 4, 6

_PACKAGE = "lingraft.spm"
_OPTIONAL = descriptor_pb2.FieldDescriptorProto.LABEL_OPTIONAL
_REPEATED = descriptor_pb2.FieldDescriptorProto.LABEL_REPEATED
_STRING = descriptor_pb2.FieldDescriptorProto.TYPE_STRING
_FLOAT = descriptor_pb2.FieldDescriptorProto.TYPE_FLOAT
_INT32 = descriptor_pb2.FieldDescriptorProto.TYPE_INT32
_MESSAGE = descriptor_pb2.FieldDescriptorProto.TYPE_MESSAGE
# Message, field, its number, label, type, and message type where it has one.
_FIELDS = (
    ("Piece", "piece", 1, _OPTIONAL, _STRING, ""),
    ("Piece", "score", 2, _OPTIONAL, _FLOAT, ""),
    ("Piece", "type", 3, _OPTIONAL, _INT32, ""),
    ("Model", "pieces", 1, _REPEATED, _MESSAGE, "Piece"),
)


@dataclass(frozen=True)
class Piece:
    """A piece with its log probability and its kind (NORMAL, USER_DEFINED, ...)."""

    text: str
    score: float
    kind: int


def pieces_of(model: bytes) -> list[Piece]:
    """The pieces of a serialised SentencePiece model; the index is the id."""
    # A piece without a type is a normal one: the schema's own default is 1.
    return [Piece(p.piece, p.score, p.type if p.type > 1 else NORMAL) for p in _read(model).pieces]


def with_pieces(model: bytes, added: Iterable[Piece]) -> bytes:
    """The model with `added` behind its own pieces, whose ids and scores stay."""
    message = _read(model)
    for piece in added:
        fresh = message.pieces.add(piece=piece.text, score=piece.score)
        if piece.kind != NORMAL:
            fresh.type = piece.kind
    return bytes(message.SerializeToString(deterministic=True))


def _read(model: bytes) -> Any:
    message = _MODEL()
    message.ParseFromString(model)
    return message


def _schema(fields: Sequence[tuple[str, str, int, Any, Any, str]]) -> Any:
    file = descriptor_pb2.FileDescriptorProto(name="lingraft_spm.proto", package=_PACKAGE)
    messages = {name: file.message_type.add(name=name) for name in dict(f[:2] for f in fields)}
    for message, name, number, label, kind, target in fields:
        field = messages[message].field.add(name=name, number=number, label=label, type=kind)
        if target:
            field.type_name = f".{_PACKAGE}.{target}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.Model"))


_MODEL = _schema(_FIELDS)
