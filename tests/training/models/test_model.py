"""The model: made, saved, loaded, measured and decoded by one set of conventions."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch.nn.functional import cross_entropy

from lingraft.training.data import testsets
from lingraft.training.data.batches import Corpus
from lingraft.training.errors import ParentError
from lingraft.training.export.translation import piece_limits
from lingraft.training.measure import evaluate
from lingraft.training.models.classifier import ClassificationLoss, SequenceClassifier, predict
from lingraft.training.models.marian import (
    TranslationLoss,
    digest_of,
    load_model,
    load_weights,
    new_model,
    read_weights,
    save_model,
    shape_of,
    weights_of,
)
from lingraft.training.models.tensors import collate
from lingraft.training.recipe.recipes import Shape
from lingraft.training.vocabulary.codec import EOS, load_codec
from lingraft.v1.bundle_pb2 import Bundle

PAD = 29
SHAPE = Shape(d_model=16, ffn=24, heads=2, encoder_layers=2, decoder_layers=1, max_positions=40)
ROWS = [[5, 9, 12, 0], [5, 0], [6, 8, 7, 11, 14, 3, 17, 20, 4, 0], [7, 7, 7, 0], [2] * 30 + [0]]


def test_the_same_seed_gives_the_same_model() -> None:
    """And another seed another one."""
    digests = [digest_of(new_model(SHAPE, PAD + 1, seed)) for seed in (1, 1, 2)]
    assert digests[0] == digests[1] != digests[2]


def test_a_saved_model_is_loaded_as_it_was(tmp_path: Path) -> None:
    """In fp32 to the last bit, in fp16 to its precision; always back in fp32."""
    model = new_model(SHAPE, PAD + 1, seed=1)
    save_model(model, tmp_path / "wide")
    save_model(model, tmp_path / "half", dtype=torch.float16)
    assert digest_of(load_model(tmp_path / "wide")) == digest_of(model)
    half = load_model(tmp_path / "half")
    assert {parameter.dtype for parameter in half.parameters()} == {torch.float32}
    for name, tensor in weights_of(model).items():
        torch.testing.assert_close(weights_of(half)[name], tensor, rtol=1e-3, atol=1e-3)
    kept = read_weights(tmp_path / "half" / "model.safetensors")
    assert kept.keys() == weights_of(model).keys()


def test_dropout_may_be_chosen_anew_when_loading(tmp_path: Path) -> None:
    """The grid does so; everything else of the shape stays, and a control can be made of it."""
    save_model(new_model(SHAPE, PAD + 1, seed=1), tmp_path)
    loaded = load_model(tmp_path, dropout=0.4)
    assert shape_of(loaded) == SHAPE.model_copy(update={"dropout": 0.4})


def test_a_folder_that_holds_no_model_is_refused(tmp_path: Path) -> None:
    """Named, in one message."""
    with pytest.raises(ParentError, match="no model can be loaded from it"):
        load_model(tmp_path)


def test_the_loss_is_that_of_the_models_own_logits() -> None:
    """Training and generation agree on what is probable: padding is out of both."""
    model = new_model(SHAPE.model_copy(update={"dropout": 0.0}), PAD + 1, seed=1)
    corpus = Corpus([(row, [*row[:-1][::-1], EOS]) for row in ROWS[:4]], [0] * 4)
    batch = collate(corpus, torch.arange(4).numpy(), PAD)
    smoothed, plain = TranslationLoss(model, smoothing=0.0)(batch)
    logits = model(
        input_ids=batch["source"],
        attention_mask=(batch["source"] != PAD).long(),
        decoder_input_ids=batch["decoder_input"],
    ).logits
    expected = cross_entropy(logits.flatten(0, 1), batch["labels"].flatten(), reduction="sum")
    torch.testing.assert_close(plain, expected, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(smoothed, expected, rtol=1e-4, atol=1e-4)


def test_a_classifier_is_kept_with_its_embeddings() -> None:
    """Its encoder has the only copy of them, where a translation model has three."""
    first, second = (
        ClassificationLoss(SequenceClassifier(model.model.encoder, 3, PAD, 0.0), 0.0)
        for model in (new_model(SHAPE, PAD + 1, seed) for seed in (1, 2))
    )
    load_weights(second, weights_of(first))
    torch.testing.assert_close(
        second.model.encoder.embed_tokens.weight, first.model.encoder.embed_tokens.weight
    )
    assert predict(second.model, ROWS) == predict(first.model, ROWS)


def test_a_classifier_answers_each_text_for_itself() -> None:
    """What else is in the batch does not matter."""
    torch.manual_seed(3)
    model = SequenceClassifier(new_model(SHAPE, PAD + 1, 1).model.encoder, 4, PAD, dropout=0.5)
    alone = [predict(model, [row])[0] for row in ROWS]
    assert predict(model, ROWS) == alone
    assert model.training  # as it was before


def test_a_translation_does_not_depend_on_its_batch() -> None:
    """Neither its pieces nor where it is cut."""
    model = new_model(SHAPE, PAD + 1, seed=4)
    alone = [evaluate.greedy(model, [row])[0] for row in ROWS]
    assert evaluate.greedy(model, ROWS) == alone
    assert evaluate.greedy(model, ROWS[::-1]) == alone[::-1]


def test_a_translation_that_never_ends_is_cut_where_the_server_cuts_it() -> None:
    """Twice the source and ten pieces more, at most what the model has positions for."""
    model = new_model(SHAPE, PAD + 1, seed=4)
    model.final_logits_bias[0, EOS] = -1e4
    facts = Bundle()
    facts.limits.max_target_tokens = SHAPE.max_positions
    facts.decoding.max_length_ratio = evaluate.LENGTH_RATIO
    lengths = [len(ids) for ids in evaluate.greedy(model, ROWS)]
    assert lengths == piece_limits(facts, ROWS) == [18, 14, 30, 18, 40]


def test_a_source_beyond_the_models_positions_loses_its_end(parent_run: Path) -> None:
    """The tag in front stays, or the model would not know the language."""
    model, codec = load_model(parent_run / "model"), load_codec(parent_run / "model")
    long = "the farmer sees two eggs and " * 20
    test = testsets.TestSet("toy", "en", "fr", (long,), ("x",))
    (translation,) = evaluate.translate(model, codec, test)
    cut = [*codec.encode_source(long, "en", "fr")[:63], EOS]
    assert translation == codec.decode(evaluate.greedy(model, [cut])[0])


def test_positions_of_a_loaded_parent_do_not_train(parent_run: Path) -> None:
    """Sinusoids stand in no checkpoint: if they moved, a resumed run would be another run."""
    model = load_model(parent_run / "model")
    tables = [p for name, p in model.named_parameters() if "embed_positions" in name]
    assert len(tables) == 2
    assert not any(table.requires_grad for table in tables)
    assert model.get_input_embeddings().weight.requires_grad
