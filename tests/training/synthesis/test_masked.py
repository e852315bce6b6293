"""Masked-LM training of an encoder, and what a classifier takes over from it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch.nn.functional import cross_entropy
from transformers import MarianMTModel

from lingraft.training.models.classifier import SequenceClassifier, predict
from lingraft.training.models.marian import digest_of, freeze_padding_row
from lingraft.training.models.tensors import targets
from lingraft.training.recipe.recipes import Training
from lingraft.training.recipe.synthesis import MaskedLm, Monolingual
from lingraft.training.run.arms import log_likelihood
from lingraft.training.run.loop import run
from lingraft.training.synthesis.masked import MaskedLmLoss, Masker, masked_corpus
from lingraft.training.synthesis.renewed import held_out, job_of
from lingraft.training.synthesis.texts import ordinary
from lingraft.training.vocabulary.codec import EOS, UNK, Codec

Make = Callable[[int], MarianMTModel]


@pytest.fixture
def masker(codec: Codec, english: tuple[str, ...]) -> Masker:
    """Sixty English sentences with hidden pieces."""
    source = Monolingual(name="toy", path="", language="en")
    corpus, weights = masked_corpus([source], [[(text,) for text in english[:60]]], codec, 40)
    assert weights == (1.0,)
    return Masker(corpus, codec, MaskedLm(), seed=3)


def test_hidden_pieces_have_labels_and_no_others(masker: Masker, codec: Codec) -> None:
    """No tag in front, as the classifier reads; eos is never hidden; epochs differ."""
    hidden = 0
    for i in range(60):
        shown, labels = masker.example(0, i)
        text = masker.corpus.source(i).tolist()
        assert (shown[-1], labels[-1]) == (EOS, -100)
        assert all(label in (-100, piece) for label, piece in zip(labels, text, strict=True))
        unlabelled = [(s, p) for s, p, n in zip(shown, text, labels, strict=True) if n == -100]
        assert all(s == p for s, p in unlabelled)
        hidden += sum(label != -100 for label in labels)
    assert hidden / (masker.corpus.lengths.sum() - 60) == pytest.approx(0.15, abs=0.02)
    first, second = ([masker.example(epoch, i) for i in range(60)] for epoch in (0, 1))
    assert masker.example(0, 7) == first[7]
    assert sum(a != b for a, b in zip(first, second, strict=True)) > 50


def test_only_pieces_of_text_stand_in_for_others(codec: Codec) -> None:
    """No tags, bytes or specials."""
    pieces = [codec.spm.id_to_piece(int(i)) for i in ordinary(codec)]
    assert not any(piece.startswith((">>", "<0x", "<unk", "</s")) for piece in pieces)
    assert len(pieces) == codec.pad - 256 - 3 - 2
    assert UNK not in ordinary(codec)


def test_the_loss_is_that_of_the_hidden_pieces_through_the_embeddings(
    masker: Masker, make_model: Make
) -> None:
    """As PyTorch computes it from all logits; the padding piece is never an answer."""
    encoder = make_model(1).model.encoder.eval()
    loss = MaskedLmLoss(encoder, masker.codec.pad)
    batch = held_out(masker)[0]
    smoothed, plain = loss(batch)
    mask = (batch["source"] != masker.codec.pad).long()
    states = encoder(input_ids=batch["source"], attention_mask=mask).last_hidden_state
    weight = encoder.get_input_embeddings().weight
    logits = torch.nn.functional.layer_norm(states, states.shape[-1:]) @ weight.t()
    logits[:, :, masker.codec.pad] = float("-inf")
    labels = batch["labels"].flatten()
    expected = cross_entropy(logits.flatten(0, 1), labels, ignore_index=-100, reduction="sum")
    torch.testing.assert_close(smoothed, expected)
    torch.testing.assert_close(plain, expected.detach())


def test_the_encoder_learns_and_a_classifier_takes_it_over(
    masker: Masker, make_model: Make, settings: Training, tmp_path: Path
) -> None:
    """The loss falls; the padding row stays zero; the decoder is not asked."""
    model = make_model(1)
    freeze_padding_row(model)
    loss = MaskedLmLoss(model.model.encoder, masker.codec.pad)
    layer = digest_of(model.model.encoder.layers)
    decoder = digest_of(model.model.decoder.layers)
    dev = held_out(masker)

    def score() -> float:
        return log_likelihood(loss, dev, targets)

    before = score()
    job = job_of(
        masker,
        (1.0,),
        settings,
        name="masked-lm",
        folder=tmp_path,
        score_name="log-likelihood",
        identity="toy",
    )
    state = run(job, loss, score)
    assert state.best_score > before + 0.5
    assert score() == pytest.approx(state.best_score)
    assert digest_of(model.model.encoder.layers) != layer
    assert digest_of(model.model.decoder.layers) == decoder
    assert not model.get_input_embeddings().weight[masker.codec.pad].any()
    classifier = SequenceClassifier(loss.encoder, 2, masker.codec.pad, dropout=0.0)
    assert classifier.encoder is model.model.encoder
    assert predict(classifier, [[5, EOS]])[0] in (0, 1)
