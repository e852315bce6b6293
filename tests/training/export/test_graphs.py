"""The graphs compute what the model computes, for every row as if it were alone."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from lingraft.training.errors import ExportError
from lingraft.training.export import TranslationGraphs, to_arrays
from lingraft.training.export.marian import encoder_graph
from lingraft.training.export.parity import graph_greedy, special_ids, torch_greedy
from lingraft.training.export.runtime import open_session, pad_rows
from lingraft.training.export.weights import Architecture, Weights, position_table

CONFIGURATIONS: dict[str, dict[str, Any]] = {
    "swish": {},
    "gelu, deep decoder": {"activation_function": "gelu", "encoder_layers": 1, "decoder_layers": 3},
    "relu, other heads": {
        "activation_function": "relu",
        "encoder_attention_heads": 1,
        "decoder_attention_heads": 2,
    },
    "unscaled, gelu by tanh": {"scale_embedding": False, "activation_function": "gelu_new"},
    "untied output": {"tie_word_embeddings": False},
    "separate embeddings": {"share_encoder_decoder_embeddings": False},
}


@pytest.mark.parametrize("settings", CONFIGURATIONS.values(), ids=CONFIGURATIONS.keys())
def test_graphs_decode_as_the_model_does(
    settings: dict[str, Any], make_model: Any, make_decoder: Any, make_rows: Any
) -> None:
    """fp32 graphs give the very ids of `generate`, whatever the configuration and the lengths."""
    model, rows = make_model(**settings), make_rows(24)
    limits = [5 + len(row) // 2 for row in rows]
    answers = make_decoder(model).decode(rows, limits)
    assert [answer.ids for answer in answers] == torch_greedy(model, rows, limits)
    assert len({len(answer.ids) for answer in answers}) > 3


@pytest.mark.parametrize("int8", [False, True], ids=["fp32", "int8"])
def test_a_row_answers_alike_alone_and_in_company(
    int8: bool, model: Any, make_decoder: Any, make_rows: Any
) -> None:
    """Neighbours, padding and the step at which a row joins do not change its answer."""
    decoder, rows = make_decoder(model, int8=int8), make_rows(12)
    limits = [20] * len(rows)
    joined = decoder.decode(rows, limits, slots=5)
    alone = [decoder.decode([row], [20], slots=1)[0] for row in rows]
    assert [answer.ids for answer in joined] == [answer.ids for answer in alone]
    expected = [answer.logprob for answer in alone]
    np.testing.assert_allclose([answer.logprob for answer in joined], expected, atol=1e-4)


@pytest.mark.parametrize("int8", [False, True], ids=["fp32", "int8"])
def test_padding_positions_leave_real_ones_alone(
    int8: bool, model: Any, make_graphs: Any, make_rows: Any
) -> None:
    """An encoder row gives the same keys and values however wide it is padded, and with what."""
    session = open_session(make_graphs(model, int8=int8).encoder)
    rows = make_rows(4)
    narrow, lengths = pad_rows(rows, 300)
    wide, _ = pad_rows(rows, 17, width=64)
    plain = session.run(["cross_value.0"], {"input_ids": narrow, "lengths": lengths})[0]
    padded = session.run(["cross_value.0"], {"input_ids": wide, "lengths": lengths})[0]
    for row, length in enumerate(lengths):
        expected = plain[row, :, :length]
        np.testing.assert_allclose(padded[row, :, :length], expected, rtol=1e-4, atol=1e-5)


def _first_step(graphs: TranslationGraphs, rows: list[list[int]], best: int) -> dict[str, Any]:
    """Inputs of the first decoder step; the cache holds NaN, for nothing was written to it."""
    ids, lengths = pad_rows(rows, 300)
    values = open_session(graphs.encoder).run(None, {"input_ids": ids, "lengths": lengths})
    names = [output.name for output in open_session(graphs.encoder).get_outputs()]
    past = np.full((len(rows), 2, 6, 8), np.nan, np.float32)
    return dict(zip(names, values, strict=True)) | {
        "input_ids": np.full(len(rows), 300, np.int64),
        "past_lengths": np.zeros(len(rows), np.int32),
        "total_length": np.array([1], np.int32),
        "source_lengths": lengths,
        "top_k": np.array([best], np.int64),
        "past_key.0": past,
        "past_value.0": past.copy(),
    }


def test_the_step_returns_the_best_pieces_with_their_logarithms(
    model: Any, make_graphs: Any, make_rows: Any
) -> None:
    """Candidates come best first, with the model's own natural log-probabilities."""
    graphs, rows = make_graphs(model), make_rows(3)
    feeds = _first_step(graphs, rows, 5)
    session = open_session(graphs.decoder_step)
    ids, logprobs = session.run(["top_ids", "top_logprobs"], feeds)
    for row, source in enumerate(rows):
        with torch.inference_mode():
            start = torch.tensor([[300]])
            logits = model(input_ids=torch.tensor([source]), decoder_input_ids=start).logits[0, 0]
            expected = torch.log_softmax(logits, 0).topk(5)
        assert ids[row].tolist() == expected.indices.tolist()
        np.testing.assert_allclose(logprobs[row], expected.values, rtol=1e-4, atol=1e-5)


def test_source_padding_may_hold_anything_finite(
    model: Any, make_graphs: Any, make_rows: Any
) -> None:
    """What stands in the cross keys and values beyond a row's source does not matter."""
    graphs, rows = make_graphs(model), make_rows(3)
    feeds = _first_step(graphs, rows, 1)
    session = open_session(graphs.decoder_step)
    clean = session.run(["top_logprobs"], feeds)[0]
    for row, length in enumerate(feeds["source_lengths"]):
        feeds["cross_key.0"][row, :, :, length:] = 1e6
        feeds["cross_value.0"][row, :, length:] = -1e6
    np.testing.assert_array_equal(session.run(["top_logprobs"], feeds)[0], clean)


def test_the_cache_may_be_returned_in_memory_of_its_own(
    model: Any, make_graphs: Any, make_rows: Any
) -> None:
    """Without shared memory the cache keeps its length, and the new piece stands at its place."""
    graphs, rows = make_graphs(model), make_rows(3)
    feeds = _first_step(graphs, rows, 1)
    session = open_session(graphs.decoder_step)
    key: NDArray[np.float32] = session.run(["present_key.0"], feeds)[0]
    assert key.shape == feeds["past_key.0"].shape
    assert np.isfinite(key[:, :, 0]).all()


def test_padding_is_never_produced(make_model: Any, make_graphs: Any, make_rows: Any) -> None:
    """Even of a model that prefers padding to everything: the step names it, nobody takes it."""
    model = make_model()
    model.final_logits_bias[0, 300] = 1000.0
    graphs, rows = make_graphs(model), make_rows(2)
    ids = open_session(graphs.decoder_step).run(["top_ids"], _first_step(graphs, rows, 2))[0]
    assert (ids[:, 0] == 300).all()
    answers = graph_greedy(graphs, rows, [6, 6], special_ids(model.config))
    assert answers == torch_greedy(model, rows, [6, 6])
    assert all(300 not in answer for answer in answers)


def test_the_step_finds_the_best_pieces_of_a_large_vocabulary(
    make_model: Any, make_graphs: Any
) -> None:
    """Searched in blocks, with a last block that is not full, the best pieces are the same."""
    for pieces in (8192, 9001):
        graphs = make_graphs(make_model(vocab_size=pieces))
        feeds = _first_step(graphs, [[5, 6, 0], [7, 0]], 40)
        names = ["top_ids", "top_logprobs"]
        ids, logprobs = open_session(graphs.decoder_step).run(names, feeds)
        every = feeds | {"top_k": np.array([pieces], np.int64)}
        all_ids, all_logprobs = open_session(graphs.decoder_step).run(names, every)
        assert ids.tolist() == all_ids[:, :40].tolist()
        np.testing.assert_array_equal(logprobs, all_logprobs[:, :40])
        np.testing.assert_allclose(np.exp(all_logprobs).sum(1), 1, rtol=1e-4)
        assert [sorted(row) for row in all_ids.tolist()] == [list(range(pieces))] * 2


def test_the_same_weights_give_the_same_bytes(make_model: Any, make_graphs: Any) -> None:
    """Exporting twice gives equal files, in both precisions."""
    assert make_graphs(make_model()) == make_graphs(make_model())
    assert make_graphs(make_model(), int8=True) == make_graphs(make_model(), int8=True)


def test_tied_weights_may_be_stored_once(model: Any) -> None:
    """A state dict without the tied duplicates, as safetensors keeps it, gives the same graph."""
    state = to_arrays(model.state_dict())
    tied = ("lm_head.weight", "model.encoder.embed_tokens.weight")
    computed = "model.encoder.embed_positions.weight"
    lean = {name: array for name, array in state.items() if name not in (*tied, computed)}
    assert encoder_graph(model.config, lean) == encoder_graph(model.config, state)


@pytest.mark.parametrize("width", [16, 15])
def test_positions_are_computed_as_transformers_does(width: int) -> None:
    """A table that the weights lack is computed bit for bit like that of Transformers."""
    from transformers.models.marian.modeling_marian import MarianSinusoidalPositionalEmbedding

    theirs = MarianSinusoidalPositionalEmbedding(40, width).create_weight().numpy()
    np.testing.assert_array_equal(position_table(Weights({}), 40, width), theirs)


def test_an_unknown_configuration_is_refused_with_all_its_faults() -> None:
    """One error names every setting that no graph computes."""
    config = SimpleNamespace(
        activation_function="tanh",
        d_model=16,
        encoder_attention_heads=3,
        decoder_attention_heads=4,
        pad_token_id=None,
    )
    with pytest.raises(ExportError) as error:
        Architecture.of(config)
    for fault in ("'tanh'", "encoder_attention_heads 3", "decoder_attention_heads 4", "pad_token"):
        assert fault in str(error.value)


def test_a_missing_weight_is_named(model: Any) -> None:
    """A state dict of another model is refused with the name of what it lacks."""
    state = to_arrays(model.state_dict())
    del state["model.encoder.layers.1.fc1.bias"]
    with pytest.raises(ExportError, match=r"lack model\.encoder\.layers\.1\.fc1\.bias"):
        encoder_graph(model.config, state)
