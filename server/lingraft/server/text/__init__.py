"""Text: into sentences and ids, and back."""

from lingraft.server.text.checks import is_circle, is_copy, is_loop, is_wordless
from lingraft.server.text.codec import Encoded, TextCodec, neutralize_tags
from lingraft.server.text.identification import IdentificationCodec
from lingraft.server.text.segments import Assembled, Sentence, Span, assemble, segment
from lingraft.server.text.sentences import split_sentences

__all__ = [
    "Assembled",
    "Encoded",
    "IdentificationCodec",
    "Sentence",
    "Span",
    "TextCodec",
    "assemble",
    "is_circle",
    "is_copy",
    "is_loop",
    "is_wordless",
    "neutralize_tags",
    "segment",
    "split_sentences",
]
