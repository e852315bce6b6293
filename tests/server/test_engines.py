"""The ONNX engines: rows in any company give the answers they give alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from lingraft.server.app.loading import choose_graphs
from lingraft.server.bundle import Bundle, Graphs
from lingraft.server.engines import OnnxClassifier, OnnxTranslator, open_session
from lingraft.server.engines.cache import Slots, in_blocks
from lingraft.server.errors import BundleError, ProviderError

Cases = Callable[[str], list[dict[str, Any]]]


@pytest.fixture(scope="module", params=["fp32", "int8"])
def make_engine(
    translation_bundle: Bundle, request: pytest.FixtureRequest
) -> Callable[..., OnnxTranslator]:
    """Makes engines over the golden graphs, which are loaded once for each precision."""
    graphs = choose_graphs(translation_bundle, request.param)
    paths = _paths(graphs)
    encoder, decoder = (open_session(path, "cpu", 1) for path in paths)

    def make(max_rows: int = 8) -> OnnxTranslator:
        bundle = translation_bundle
        sizes = (bundle.dimensions, bundle.limits, bundle.special.pad)
        # Small blocks, so that short texts make the caches grow.
        return OnnxTranslator(encoder, decoder, paths, *sizes, max_rows, 2, blocks=(5, 3))

    return make


def _paths(graphs: Graphs) -> tuple[Path, Path]:
    assert graphs.encoder
    assert graphs.decoder_step
    return graphs.encoder, graphs.decoder_step


def _decode(engine: OnnxTranslator, bundle: Bundle, source: Sequence[int], steps: int) -> list[int]:
    """Greedy ids of one source alone."""
    engine.clear()
    engine.join([source])
    said = [bundle.special.decoder_start]
    for _ in range(steps):
        ids, _ = engine.step(said[-1:])
        said.append(int(ids[0, 0]))
    engine.clear()
    return said[1:]


@pytest.mark.parametrize("make_engine", ["fp32"], indirect=True)
def test_the_golden_answers_come_piece_for_piece(
    make_engine: Callable[..., OnnxTranslator], translation_bundle: Bundle, expected: Cases
) -> None:
    """Ids and probabilities are those that the exporter stored."""
    engine = make_engine()
    for case in expected("v1-translation"):
        engine.join([case["source_ids"]])
        last, total = translation_bundle.special.decoder_start, 0.0
        for wanted in case["target_ids"]:
            ids, logprobs = engine.step([last])
            assert ids[0, 0] == wanted
            assert logprobs[0, 0] >= logprobs[0, 1]
            last, total = wanted, total + float(logprobs[0, 0])
        engine.clear()
        assert total == pytest.approx(case["logprob"], abs=1e-3)


@hypothesis_settings(max_examples=25)
@given(data=st.data())
def test_rows_that_join_and_leave_at_random_say_what_they_say_alone(
    make_engine: Callable[..., OnnxTranslator],
    translation_bundle: Bundle,
    expected: Cases,
    data: st.DataObject,
) -> None:
    """Slots, holes, growing caches: none of it changes a piece."""
    sources = [case["source_ids"] for case in expected("v1-translation")]
    engine = make_engine(max_rows=4)
    steps = translation_bundle.limits.max_target_tokens
    alone = [_decode(make_engine(1), translation_bundle, source, steps) for source in sources]
    start = translation_bundle.special.decoder_start
    rows: list[tuple[int, list[int]]] = []
    for _ in range(data.draw(st.integers(1, 40))):
        wanted = data.draw(st.lists(st.integers(0, len(sources) - 1), max_size=4 - len(rows)))
        if wanted:
            engine.join([sources[index] for index in wanted])
            rows += [(index, [start]) for index in wanted]
        if not rows:
            continue
        ids, _ = engine.step([said[-1] for _, said in rows])
        for (_, said), best in zip(rows, ids[:, 0].tolist(), strict=True):
            said.append(best)
        full = [slot for slot, (_, said) in enumerate(rows) if len(said) > steps]
        chosen = {*full, *data.draw(st.sets(st.integers(0, len(rows) - 1), max_size=2))}
        for slot in sorted(chosen, reverse=True):
            index, said = rows[slot]
            assert said[1:] == alone[index][: len(said) - 1]
            engine.leave(slot)
            rows[slot] = rows[-1]
            rows.pop()


def test_an_engine_takes_no_more_rows_than_it_has_slots(
    make_engine: Callable[..., OnnxTranslator],
) -> None:
    """The memory that was promised is the memory that there is."""
    engine = make_engine(max_rows=1)
    engine.join([[4, 5, 0]])
    with pytest.raises(ValueError, match="1 \\+ 1 rows are more than 1"):
        engine.join([[4, 5, 0]])
    with pytest.raises(ValueError, match="2 ids for 1 rows"):
        engine.step([1, 2])


def test_the_ceiling_of_the_caches_is_stated(
    make_engine: Callable[..., OnnxTranslator], translation_bundle: Bundle
) -> None:
    """Rows times positions times layers, heads, keys and values, in four bytes."""
    size, limits = translation_bundle.dimensions, translation_bundle.limits
    positions = limits.max_source_tokens + limits.max_target_tokens
    floats = 2 * size.decoder_layers * size.heads * size.head_size * positions
    assert make_engine(max_rows=3).ceiling_bytes == 3 * floats * 4


def test_a_classifier_gives_the_golden_probabilities_in_any_batch(
    classification_bundle: Bundle, expected: Cases
) -> None:
    """All documents at once, padded, and each alone."""
    path = choose_graphs(classification_bundle, "fp32").classifier
    assert path
    engine = OnnxClassifier(open_session(path, "cpu", 1), path, classification_bundle.special.pad)
    cases = expected("v1-classification")
    together = engine.logits([case["source_ids"] for case in cases])
    for row, case in zip(together, cases, strict=True):
        powers = np.exp(row - row.max())
        np.testing.assert_allclose(powers / powers.sum(), case["probabilities"], atol=1e-3)
        np.testing.assert_allclose(engine.logits([case["source_ids"]])[0], row, atol=1e-4)


def test_a_device_that_is_not_there_is_refused_by_name(translation_bundle: Bundle) -> None:
    """Never a silent fall back to the CPU. (The test's runtime is the one for CPUs.)"""
    encoder, _ = _paths(choose_graphs(translation_bundle, "fp32"))
    with pytest.raises(ProviderError, match=r"provider cuda .*server-gpu.*--provider cpu"):
        open_session(encoder, "cuda", 1)


def test_a_file_that_is_no_graph_is_refused_by_name(tmp_path: Path) -> None:
    """The path stands in the message."""
    path = tmp_path / "encoder.fp32.onnx"
    path.write_bytes(b"no graph at all")
    with pytest.raises(BundleError, match=r"encoder\.fp32\.onnx is no graph"):
        open_session(path, "cpu", 1)


def test_a_graph_with_another_interface_is_refused_with_all_that_it_lacks(
    translation_bundle: Bundle,
) -> None:
    """An encoder in the place of a decoder step: every name is listed."""
    bundle = translation_bundle
    encoder, _ = _paths(choose_graphs(bundle, "fp32"))
    session = open_session(encoder, "cpu", 1)
    with pytest.raises(BundleError, match=r"lacks input past_lengths.*output top_ids"):
        OnnxTranslator(
            session,
            session,
            (encoder, encoder),
            bundle.dimensions,
            bundle.limits,
            bundle.special.pad,
            max_rows=1,
            candidates=2,
        )


def test_precision_is_chosen_by_name(translation_bundle: Bundle) -> None:
    """The default is the bundle's first; one that is not there is refused with those that are."""
    assert choose_graphs(translation_bundle, "default") == translation_bundle.graphs[0]
    assert choose_graphs(translation_bundle, "int8").precision.value == "int8"
    with pytest.raises(BundleError, match="has no int4 graphs; it has fp32, int8"):
        choose_graphs(translation_bundle, "int4")


def test_slots_keep_what_they_hold_when_they_grow_and_shrink() -> None:
    """Growing adds zeros behind; shrinking cuts only what no row uses."""
    slots = Slots(3, (2, 4, 5), axis=1)
    value = np.arange(2 * 3 * 5, dtype=np.float32).reshape(2, 3, 5)
    slots.write(1, value)
    slots.resize(8, used=2)
    assert slots.shape(2) == (2, 2, 8, 5)
    np.testing.assert_array_equal(slots.array[1][:, :3], value)
    assert not slots.array[1][:, 3:].any()
    slots.move(1, 0)
    slots.resize(3, used=1)
    np.testing.assert_array_equal(slots.array[0], value)


@pytest.mark.parametrize(
    ("length", "most", "blocks"), [(1, 100, 32), (32, 100, 32), (33, 100, 64), (99, 100, 100)]
)
def test_caches_grow_in_blocks_up_to_the_limit(length: int, most: int, blocks: int) -> None:
    """No new memory at every step, and none beyond the model's limit."""
    assert in_blocks(length, 32, most) == blocks
