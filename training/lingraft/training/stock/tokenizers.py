"""What a bundle needs of a stock tokenizer.

Transformers' own class is asked wherever it can be loaded. A folder of T5, mT5, mBART-50 or
NLLB-200 without tokenizer.json has a SentencePiece model alone, which is then read as it is.
"""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sentencepiece
from transformers import AutoTokenizer
from transformers.models.mbart50 import tokenization_mbart50
from transformers.models.nllb import tokenization_nllb

from lingraft.training.errors import ExportError
from lingraft.training.export.bundle import Content
from lingraft.training.stock.languages import by_language
from lingraft.v1 import bundle_pb2 as pb

_JSON_FILE, _VOCABULARY_FILE = "tokenizer.json", "vocab.json"
_FAIRSEQ_SPM, _T5_SPM = "sentencepiece.bpe.model", "spiece.model"
_NLLB_CODE = re.compile("[a-z]{3}_[A-Z][a-z]{3}")
# Of fairseq's vocabularies: these stand before the pieces of SentencePiece, whose first three are
# special too.
_FAIRSEQ_FIRST = ("<s>", "<pad>", "</s>", "<unk>")
_UNBOUNDED = 1 << 30

Codes = Mapping[str, tuple[str, int]]  # a tokenizer's code of a language -> its piece and id


@dataclass(frozen=True)
class StockTokenizer:
    """A stock tokenizer, and its files as a bundle keeps them.

    Attributes:
        pieces: ids of a text alone.
        decode: text of ids.
        size: greatest id + 1.
        special: ids that no text becomes.
        longest: most pieces that it wants in a sequence.
        sides: what it says of source and target language, "" for nothing.
        files: content by path inside the bundle.
        message: how the manifest describes them.
        placement: where language tags stand.
        tags: piece and id of each language's tag, by BCP-47.
    """

    pieces: Callable[[str], list[int]]
    decode: Callable[[Sequence[int]], str]
    size: int
    eos: int
    unk: int
    pad: int
    special: frozenset[int]
    files: Mapping[str, Content]
    message: pb.Tokenizer
    placement: pb.TagPlacement
    tags: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    sides: tuple[str, str] = ("", "")
    longest: int = _UNBOUNDED

    def frame(self, pieces: Sequence[int], source: str, target: str) -> list[int]:
        """`pieces` of a text with its prefix, with tag and end."""
        front: list[int] = []
        if self.placement == pb.TAG_PLACEMENT_SOURCE_AND_TARGET:
            front = [self.tags[source][1]]
        if self.placement == pb.TAG_PLACEMENT_TARGET_IN_SOURCE:
            front = [self.tags[target][1]]
        return [*front, *pieces, self.eos]

    def forced(self, target: str) -> int | None:
        """First piece of every target in that language, if one is forced."""
        placed = self.placement == pb.TAG_PLACEMENT_SOURCE_AND_TARGET
        return self.tags[target][1] if placed else None


def open_tokenizer(folder: Path, model_type: str) -> StockTokenizer:
    """The tokenizer of a checkpoint's folder, `model_type` being that of its configuration.

    Raises:
        ExportError: there is none, or one of a kind that no bundle can hold.
    """
    if not (folder / _JSON_FILE).is_file():
        if model_type in ("t5", "mt5"):
            return _t5_pieces(folder)
        if _is_fairseq(folder, model_type):
            return _fairseq_pieces(folder, model_type)
    own = _load(folder)
    kind = type(own).__name__
    if kind not in _READERS:
        known = ", ".join(_READERS)
        raise ExportError(f"{folder}: a {kind} cannot be put into a bundle; those can: {known}")
    return _READERS[kind](own, folder)


def _load(folder: Path) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Marian's recommends a package that it does not use
            return AutoTokenizer.from_pretrained(str(folder))
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = str(error).splitlines()[0]
        raise ExportError(f"{folder}: no tokenizer can be loaded from it: {reason}") from None


def _marian(own: Any, folder: Path) -> StockTokenizer:
    names = ["source.spm", "target.spm", _VOCABULARY_FILE]
    message = pb.Tokenizer(
        kind=pb.TOKENIZER_KIND_SENTENCEPIECE_VOCABULARY,
        source_model=names[0],
        target_model=names[1],
        source_vocabulary=names[2],
    )
    if own.separate_vocabs:
        _refuse_other_specials(own, folder)
        message.target_vocabulary = "target_vocab.json"
        names.append(message.target_vocabulary)
    tags = {code: (code, own.encoder[code]) for code in own.supported_language_codes}
    placement = pb.TAG_PLACEMENT_TARGET_IN_SOURCE if tags else pb.TAG_PLACEMENT_NONE
    return _stock(own, {name: folder / name for name in names}, message, placement, tags)


def _refuse_other_specials(own: Any, folder: Path) -> None:
    """A bundle has one id for the end, the padding and the unknown of both sides."""
    names = (own.eos_token, own.pad_token, own.unk_token)
    differ = [name for name in names if own.encoder.get(name) != own.target_encoder.get(name)]
    if differ:
        listed = ", ".join(differ)
        raise ExportError(
            f"{folder}: {listed} have other ids in target_vocab.json than in vocab.json"
        )


def _m2m100(own: Any, folder: Path) -> StockTokenizer:
    files: dict[str, Content] = {name: folder / name for name in (_FAIRSEQ_SPM, _VOCABULARY_FILE)}
    ids = own.lang_code_to_id.items()
    tags = {code: (own.get_lang_token(code), number) for code, number in ids}
    return _stock(own, files, _looked_up(), pb.TAG_PLACEMENT_SOURCE_AND_TARGET, tags)


def _nllb(own: Any, folder: Path) -> StockTokenizer:
    if own.legacy_behaviour:
        raise ExportError(
            f"{folder}: its tokenizer has legacy_behaviour, the source's tag at the end; NLLB-200 "
            "was trained with the tag in front: set legacy_behaviour to false"
        )
    return _json(own, filter(_NLLB_CODE.fullmatch, map(str, own.extra_special_tokens)))


def _mbart50(own: Any, folder: Path) -> StockTokenizer:
    return _json(own, own.lang_code_to_id)


def _t5(own: Any, folder: Path) -> StockTokenizer:
    return _json(own, ())


# The classes are those of Transformers 5; older checkpoints name them with "Fast" at the end.
_READERS: dict[str, Callable[[Any, Path], StockTokenizer]] = {
    "MarianTokenizer": _marian,
    "M2M100Tokenizer": _m2m100,
    "NllbTokenizer": _nllb,
    "MBart50Tokenizer": _mbart50,
    "T5Tokenizer": _t5,
}


def _json(own: Any, codes: Iterable[str]) -> StockTokenizer:
    """`codes`: pieces of languages; those that the vocabulary lacks are left out."""
    content = own.backend_tokenizer.to_str(pretty=False).encode()
    message = pb.Tokenizer(
        kind=pb.TOKENIZER_KIND_TOKENIZER_JSON, source_model=_JSON_FILE, target_model=_JSON_FILE
    )
    ids = {code: own.convert_tokens_to_ids(code) for code in codes}
    tags = {code: (code, number) for code, number in ids.items() if number != own.unk_token_id}
    placement = pb.TAG_PLACEMENT_SOURCE_AND_TARGET if tags else pb.TAG_PLACEMENT_NONE
    return _stock(own, {_JSON_FILE: content}, message, placement, tags)


def _stock(
    own: Any,
    files: Mapping[str, Content],
    message: pb.Tokenizer,
    placement: pb.TagPlacement,
    tags: Codes,
) -> StockTokenizer:
    """Around a tokenizer of Transformers."""
    special = frozenset(own.all_special_ids) | {number for _, number in tags.values()}
    return StockTokenizer(
        pieces=lambda text: list(own(text, add_special_tokens=False).input_ids),
        decode=lambda ids: str(own.decode([i for i in ids if i not in special])),
        size=len(own),
        eos=own.eos_token_id,
        unk=own.unk_token_id,
        pad=own.pad_token_id,
        special=special,
        files=files,
        message=message,
        placement=placement,
        tags=_by_language(tags),
        sides=(getattr(own, "source_lang", None) or "", getattr(own, "target_lang", None) or ""),
        longest=own.model_max_length,
    )


def _t5_pieces(folder: Path) -> StockTokenizer:
    """The SentencePiece model of T5 or mT5, whose piece ids are the model's."""
    spm = _sentencepiece(folder / _T5_SPM)
    message = pb.Tokenizer(
        kind=pb.TOKENIZER_KIND_SENTENCEPIECE, source_model=_T5_SPM, target_model=_T5_SPM
    )
    special = (spm.eos_id(), spm.unk_id(), spm.pad_id())
    size = spm.get_piece_size()
    return StockTokenizer(
        pieces=lambda text: list(spm.encode(text)),
        decode=lambda ids: str(spm.decode([i for i in ids if i < size and i not in special])),
        size=size,
        eos=special[0],
        unk=special[1],
        pad=special[2],
        special=frozenset(special),
        files={_T5_SPM: folder / _T5_SPM},
        message=message,
        placement=pb.TAG_PLACEMENT_NONE,
    )


def _is_fairseq(folder: Path, model_type: str) -> bool:
    """mBART or NLLB-200; M2M100, of the same model type as the latter, has a vocabulary."""
    alone = (folder / _FAIRSEQ_SPM).is_file() and not (folder / _VOCABULARY_FILE).is_file()
    return alone and model_type in ("mbart", "m2m_100")


def _fairseq_pieces(folder: Path, model_type: str) -> StockTokenizer:
    """The SentencePiece model of mBART-50 or NLLB-200, in the order of fairseq's vocabulary."""
    spm = _sentencepiece(folder / _FAIRSEQ_SPM)
    known = tokenization_mbart50 if model_type == "mbart" else tokenization_nllb
    codes: list[str] = known.FAIRSEQ_LANGUAGE_CODES
    pieces = [spm.id_to_piece(i) for i in range(3, spm.get_piece_size())]
    order = [*_FAIRSEQ_FIRST, *pieces, *codes, "<mask>"]
    ids = {piece: number for number, piece in enumerate(order)}
    names = {number: piece for piece, number in ids.items()}
    special = frozenset(ids[piece] for piece in (*_FAIRSEQ_FIRST, *codes, "<mask>"))
    unknown = ids["<unk>"]
    ordinary = {piece: number for piece, number in ids.items() if number not in special}
    content = json.dumps(ordinary, ensure_ascii=False).encode()
    return StockTokenizer(
        pieces=lambda text: [ids.get(each, unknown) for each in spm.encode(text, out_type=str)],
        decode=lambda numbers: str(
            spm.decode_pieces([names[i] for i in numbers if i in names and i not in special])
        ),
        size=len(order),
        eos=ids["</s>"],
        unk=unknown,
        pad=ids["<pad>"],
        special=special,
        files={_FAIRSEQ_SPM: folder / _FAIRSEQ_SPM, _VOCABULARY_FILE: content},
        message=_looked_up(),
        placement=pb.TAG_PLACEMENT_SOURCE_AND_TARGET,
        tags=_by_language({code: (code, ids[code]) for code in codes}),
    )


def _looked_up() -> pb.Tokenizer:
    """One SentencePiece model and one vocabulary for both sides."""
    return pb.Tokenizer(
        kind=pb.TOKENIZER_KIND_SENTENCEPIECE_VOCABULARY,
        source_model=_FAIRSEQ_SPM,
        target_model=_FAIRSEQ_SPM,
        source_vocabulary=_VOCABULARY_FILE,
    )


def _by_language(tags: Codes) -> dict[str, tuple[str, int]]:
    return {language: tags[code] for language, code in by_language(tags).items()}


def _sentencepiece(path: Path) -> sentencepiece.SentencePieceProcessor:
    try:
        return sentencepiece.SentencePieceProcessor(model_proto=path.read_bytes())
    except (OSError, RuntimeError) as error:
        raise ExportError(f"{path} cannot be read as a SentencePiece model: {error}") from None
