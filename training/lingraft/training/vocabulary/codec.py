"""The tokenizer: one SentencePiece model for all languages, readable by plain MarianTokenizer.

Unigram (Kudo 2018) with byte fallback, identity normalisation (NFC is done by `normalise`), split
digits, language tags as user-defined symbols. Its piece ids are the model's ids; the padding piece
is the last id and lives in vocab.json alone, as opus-mt models have it.
"""

from __future__ import annotations

import io
import json
import re
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import sentencepiece

from lingraft.training.errors import DataError, ParentError
from lingraft.training.recipe.languages import tag
from lingraft.training.vocabulary.normalise import normalise

SPM_FILE = "source.spm"
_TARGET_SPM_FILE = "target.spm"
_VOCABULARY_FILE = "vocab.json"
EOS, UNK = 0, 1
PAD_PIECE = "<pad>"
_TAG_BEGIN = re.compile(r">>(?=[^<>\s]+<<)")


@dataclass(frozen=True)
class Codec:
    """Text to ids and back, with the conventions of the model family.

    `pad` is the padding id and the first input of the decoder.
    """

    spm: sentencepiece.SentencePieceProcessor
    pad: int

    def encode_source(self, text: str, source: str, target: str) -> list[int]:
        """[tag of `target`, pieces of `text` in language `source`, eos]."""
        return [self.tag_id(target), *self._encode(text, source), EOS]

    def encode_target(self, text: str, target: str) -> list[int]:
        """[pieces of `text`, eos]."""
        return [*self._encode(text, target), EOS]

    def decode(self, ids: Sequence[int]) -> str:
        """Text of `ids`; specials are left out."""
        pieces = [int(i) for i in ids if i != EOS and i < self.pad]
        return str(self.spm.decode(pieces))

    def tag_id(self, language: str) -> int:
        """Id of the tag of `language` (BCP-47).

        Raises:
            ParentError: the vocabulary has no such tag.
        """
        piece = tag(language)
        index = int(self.spm.piece_to_id(piece))
        if index == UNK:
            raise ParentError(f"the vocabulary has no tag {piece} for language {language!r}")
        return index

    def has_language(self, language: str) -> bool:
        """Whether the vocabulary can ask for `language`."""
        return int(self.spm.piece_to_id(tag(language))) != UNK

    def _encode(self, text: str, language: str) -> list[int]:
        # A tag inside the text is text: opened by a space it is no longer the tag's piece.
        return list(self.spm.encode(_TAG_BEGIN.sub(">> ", normalise(text, language))))


def shorten(ids: list[int], limit: int) -> list[int]:
    """At most `limit` ids, the last one eos."""
    return ids if len(ids) <= limit else [*ids[: limit - 1], EOS]


def train_spm(sentences: Iterable[str], size: int, languages: Sequence[str], path: Path) -> None:
    """Train the SentencePiece model as `trained_spm` does and write it to `path`."""
    path.write_bytes(trained_spm(sentences, size, languages))


def trained_spm(
    sentences: Iterable[str], size: int, languages: Sequence[str], *, at_most: bool = False
) -> bytes:
    """A new SentencePiece model, serialised.

    Args:
        sentences: normalised text, already in the shares wanted of each language.
        size: model vocabulary size, padding included; the SentencePiece model gets one piece less.
        languages: BCP-47 codes that get a tag.
        at_most: text that has no `size` pieces gives fewer instead of an error.

    Raises:
        DataError: too little text for `size` pieces.
    """
    model = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(sentences),
            model_writer=model,
            model_type="unigram",
            vocab_size=size - 1,
            hard_vocab_limit=not at_most,
            character_coverage=1.0,
            byte_fallback=True,
            split_digits=True,
            normalization_rule_name="identity",
            user_defined_symbols=[tag(language) for language in languages],
            eos_id=EOS,
            unk_id=UNK,
            bos_id=-1,
            pad_id=-1,
            max_sentence_length=16384,
            num_threads=1,  # more threads give another model
            minloglevel=2,
        )
    except RuntimeError as error:
        raise DataError(f"the vocabulary of {size} pieces cannot be trained: {error}") from None
    return model.getvalue()


def load_codec(folder: Path) -> Codec:
    """The codec of a model folder.

    Raises:
        ParentError: the folder has no SentencePiece model, or none that can be read.
    """
    path = folder / SPM_FILE
    if not path.is_file():
        raise ParentError(f"{folder}: no {SPM_FILE}; it is not a Marian model folder")
    try:
        spm = sentencepiece.SentencePieceProcessor(model_proto=path.read_bytes())
    except (OSError, RuntimeError) as error:
        raise ParentError(f"{path}: not a SentencePiece model: {error}") from None
    return Codec(spm, pad=spm.get_piece_size())


def codec_of(model: bytes) -> Codec:
    """The codec of a serialised SentencePiece model that this package made."""
    spm = sentencepiece.SentencePieceProcessor(model_proto=model)
    return Codec(spm, pad=spm.get_piece_size())


def save_tokenizer(spm_path: Path, folder: Path, max_positions: int) -> None:
    """Write the tokenizer's files so that `MarianTokenizer.from_pretrained(folder)` loads them."""
    spm = sentencepiece.SentencePieceProcessor(model_file=str(spm_path))
    pieces = [spm.id_to_piece(i) for i in range(spm.get_piece_size())] + [PAD_PIECE]
    vocabulary = {piece: index for index, piece in enumerate(pieces)}
    for name in (SPM_FILE, _TARGET_SPM_FILE):
        if spm_path != folder / name:
            shutil.copyfile(spm_path, folder / name)
    _write_json(folder / _VOCABULARY_FILE, vocabulary)
    settings = {
        "tokenizer_class": "MarianTokenizer",
        "source_lang": "multi",
        "target_lang": "multi",
        "eos_token": "</s>",
        "unk_token": "<unk>",
        "pad_token": PAD_PIECE,
        "model_max_length": max_positions,
        "separate_vocabs": False,
    }
    _write_json(folder / "tokenizer_config.json", settings)


def same_ids(folder: Path, codec: Codec) -> bool:
    """Whether vocab.json, if there is one, numbers the pieces as the SentencePiece model does."""
    path = folder / _VOCABULARY_FILE
    if not path.is_file():
        return True
    vocabulary = json.loads(path.read_text(encoding="utf-8"))
    return all(vocabulary.get(codec.spm.id_to_piece(i)) == i for i in range(codec.pad))


def _write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
