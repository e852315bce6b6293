"""The child's vocabulary and where its rows come from: all that needs no weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from lingraft.training.data.corpora import equal_shares, spread
from lingraft.training.embedding.material import Material, pairs_to_align
from lingraft.training.embedding.rows import Mixture, mixture
from lingraft.training.errors import DataError
from lingraft.training.parents.find import ParentModel
from lingraft.training.recipe.pieces import VocabularyTransfer
from lingraft.training.vocabulary.align import align
from lingraft.training.vocabulary.codec import Codec, codec_of, trained_spm
from lingraft.training.vocabulary.extend import extend_spm
from lingraft.training.vocabulary.normalise import normalise
from lingraft.training.vocabulary.preview import Preview, preview

_SAMPLE = 2000  # sentences of each language, for the preview

Texts = Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class Plan:
    """A child's vocabulary on a parent.

    refused: pieces left out of an extension because they would cut the parent's text otherwise.
    """

    codec: Codec
    mixed: Mixture
    refused: int
    preview: Preview


def plan(settings: VocabularyTransfer, parent: ParentModel, material: Material) -> Plan:
    """What "extend" or "replace" will do.

    Raises:
        DataError: too little text for so many pieces, or none to align.
    """
    codec, refused = (_extended if settings.method == "extend" else _replaced)(
        settings, parent, material.texts
    )
    mixed = _mixed(settings, parent, material, codec)
    samples = {code: sample(lines) for code, lines in material.texts.items()}
    seen = preview(parent.codec, codec, samples, settings.rows or "match", mixed.aligned)
    return Plan(codec, mixed, refused, seen)


def sample(lines: Sequence[str]) -> list[str]:
    """Evenly spread sentences, half of the text at most: what the preview is measured on."""
    return [lines[i] for i in _sampled(len(lines))]


def wanted_languages(settings: VocabularyTransfer, texts: Texts) -> list[str]:
    """Languages that must have a tag."""
    return list(dict.fromkeys([*settings.languages, *texts]))


def _extended(settings: VocabularyTransfer, parent: ParentModel, texts: Texts) -> tuple[Codec, int]:
    strange = {code: lines for code, lines in texts.items() if code not in parent.languages}
    if not strange:
        known = ", ".join(parent.languages)
        raise DataError(f'method "extend": all text is in languages of the parent ({known})')
    want = settings.sentences_per_language
    extension = extend_spm(
        parent.codec.spm.serialized_model_proto(),
        list(equal_shares(strange, want)),
        settings.size or 0,
        wanted_languages(settings, texts),
        [line for code in texts.keys() - strange for line in _guards(code, texts[code], want)],
    )
    return codec_of(extension.model), extension.refused


def _replaced(settings: VocabularyTransfer, parent: ParentModel, texts: Texts) -> tuple[Codec, int]:
    sentences = equal_shares(texts, settings.sentences_per_language)
    return codec_of(
        trained_spm(sentences, settings.size or 0, wanted_languages(settings, texts))
    ), 0


def _guards(language: str, lines: Sequence[str], want: int) -> Iterator[str]:
    """Text that must be cut as before: not what the preview then measures that on."""
    held_out = set(_sampled(len(lines)))
    rest = [line for i, line in enumerate(lines) if i not in held_out]
    for i in spread(len(rest), want):
        yield normalise(rest[i], language)


def _sampled(size: int) -> list[int]:
    return spread(size, min(_SAMPLE, -(-size // 2)))


def _mixed(
    settings: VocabularyTransfer, parent: ParentModel, material: Material, codec: Codec
) -> Mixture:
    rows = settings.rows or "match"
    if rows != "align":
        return mixture(parent.codec, codec, rows)
    pairs = pairs_to_align(material, parent.codec, parent.languages, codec)
    found = align(pairs, codec.pad, parent.codec.pad)
    return mixture(parent.codec, codec, rows, found.weights, settings.temperature or 1.0)
