"""The ONNX engines: rows in any company give the answers they give alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from lingraft.server.bundle import Bundle, Graphs, Precision
from lingraft.server.engines import (
    Blocks,
    DeviceMemory,
    HostMemory,
    OnnxClassifier,
    OnnxTranslator,
    TranslationGraphs,
    choose_graphs,
    open_session,
)
from lingraft.server.engines.session import left_behind
from lingraft.server.errors import BundleError, ProviderError

Cases = Callable[[str], list[dict[str, Any]]]


Make = Callable[[], OnnxTranslator]


@pytest.fixture(scope="module", params=["fp32", "int8", "fp32 on a device"])
def make_engine(translation_bundle: Bundle, request: pytest.FixtureRequest) -> Make:
    """Makes engines over the golden graphs, which are loaded once for each precision.

    The device is the CPU: its memory is reached by the calls that reach a GPU's.
    """
    graphs = choose_graphs(translation_bundle, request.param.split()[0], "cpu")
    encoder, decoder = _paths(graphs)
    sessions = TranslationGraphs(
        open_session(encoder, "cpu", 1), open_session(decoder, "cpu", 1), encoder, decoder
    )
    memory = DeviceMemory("cpu") if "device" in request.param else HostMemory()

    def make() -> OnnxTranslator:
        bundle = translation_bundle
        # Small blocks, so that short texts make the caches grow.
        blocks = Blocks(slots=2, positions=5, pieces=3)
        return OnnxTranslator(sessions, bundle.dimensions, bundle.special.pad, memory, blocks)

    return make


def _paths(graphs: Graphs) -> tuple[Path, Path]:
    assert graphs.encoder
    assert graphs.decoder_step
    return graphs.encoder, graphs.decoder_step


def _decode(engine: OnnxTranslator, bundle: Bundle, source: Sequence[int], steps: int) -> list[int]:
    """Greedy ids of one source alone."""
    engine.clear()
    engine.join([source], [1])
    said = [bundle.special.decoder_start]
    for _ in range(steps):
        said.append(engine.step(said[-1:], 2).ids[0][0])
    engine.clear()
    return said[1:]


@pytest.mark.parametrize("make_engine", ["fp32", "fp32 on a device"], indirect=True)
def test_the_golden_answers_come_piece_for_piece(
    make_engine: Make, translation_bundle: Bundle, expected: Cases
) -> None:
    """Ids and probabilities are those that the exporter stored."""
    engine = make_engine()
    for case in expected("v1-translation"):
        engine.join([case["source_ids"]], [1])
        last, total = translation_bundle.special.decoder_start, 0.0
        for wanted in case["target_ids"]:
            step = engine.step([last], 2)
            assert step.ids[0][0] == wanted
            assert step.logprobs[0][0] >= step.logprobs[0][1]
            last, total = wanted, total + step.logprobs[0][0]
        engine.clear()
        assert total == pytest.approx(case["logprob"], abs=1e-3)


@hypothesis_settings(max_examples=20)
@given(data=st.data())
def test_rows_in_any_company_and_any_order_say_what_they_say_alone(
    make_engine: Make, translation_bundle: Bundle, expected: Cases, data: st.DataObject
) -> None:
    """Joining, leaving, twins, new orders, growing caches: none of it changes a piece."""
    sources = [case["source_ids"] for case in expected("v1-translation")]
    engine = make_engine()
    steps = translation_bundle.limits.max_target_tokens
    alone = [_decode(make_engine(), translation_bundle, source, steps) for source in sources]
    start = translation_bundle.special.decoder_start
    rows: list[tuple[int, list[int]]] = []
    for _ in range(data.draw(st.integers(1, 30))):
        wanted = data.draw(st.lists(st.integers(0, len(sources) - 1), max_size=5 - len(rows)))
        if wanted:
            widths = data.draw(st.lists(st.integers(1, 2), min_size=len(wanted), max_size=9))
            engine.join([sources[index] for index in wanted], widths[: len(wanted)])
            for index, width in zip(wanted, widths, strict=False):
                rows += [(index, [start]) for _ in range(width)]
        if not rows:
            continue
        step = engine.step([said[-1] for _, said in rows], data.draw(st.integers(1, 3)))
        for (_, said), best in zip(rows, [ids[0] for ids in step.ids], strict=True):
            said.append(best)
        for index, said in rows:
            assert said[1:] == alone[index][: len(said) - 1]
        going = [row for row, (_, said) in enumerate(rows) if len(said) <= steps]
        parents = data.draw(st.lists(st.sampled_from(going), max_size=5)) if going else []
        engine.select(parents)
        rows = [(rows[parent][0], [*rows[parent][1]]) for parent in parents]


@pytest.mark.parametrize("make_engine", ["fp32"], indirect=True)
def test_a_step_stays_as_it_was_said(make_engine: Make, expected: Cases) -> None:
    """The next step has other lists, and another number of candidates."""
    engine = make_engine()
    engine.join([expected("v1-translation")[0]["source_ids"]], [2])
    first = engine.step([1, 2], 3)
    kept = [list(row) for row in first.ids]
    second = engine.step([3, 4], 1)
    assert [list(map(len, step.ids)) for step in (first, second)] == [[3, 3], [1, 1]]
    assert first.alignment is None
    assert first.ids == kept


@pytest.mark.parametrize("make_engine", ["fp32"], indirect=True)
def test_no_more_candidates_are_asked_for_than_there_are_pieces(
    make_engine: Make, translation_bundle: Bundle
) -> None:
    """The graph would fail."""
    engine = make_engine()
    engine.join([[4, 5, 0]], [1])
    pieces = translation_bundle.dimensions.vocabulary_size
    assert [len(row) for row in engine.step([1], pieces + 1).ids] == [pieces]


@pytest.mark.parametrize("make_engine", ["fp32"], indirect=True)
def test_a_step_needs_one_id_for_each_row(make_engine: Make) -> None:
    """A caller that has lost count hears of it."""
    engine = make_engine()
    with pytest.raises(ValueError, match="0 ids for 0 rows"):
        engine.step([], 1)
    engine.join([[4, 5, 0]], [1])
    with pytest.raises(ValueError, match="2 ids for 1 rows"):
        engine.step([1, 2], 1)


def test_the_footprint_is_what_stands(make_engine: Make, translation_bundle: Bundle) -> None:
    """Slots times positions times layers, heads, keys and values; blocks are counted whole."""
    size = translation_bundle.dimensions
    floats = 2 * size.decoder_layers * size.heads * size.head_size
    engine = make_engine()
    assert engine.allocated == engine.footprint(0, 0, 0) == 0
    assert engine.footprint(3, 4, 6) == 4 * (6 + 10) * floats * 4
    engine.join([[4, 5, 6, 0], [5, 0]], [2, 1])
    for _ in range(6):
        engine.step([1, 2, 3], 1)
    assert engine.allocated == engine.footprint(3, 4, 6)


def test_memory_goes_back_when_a_batch_needs_less(make_engine: Make) -> None:
    """Long rows are gone: what begins anew takes what it needs, whatever was there."""
    engine = make_engine()
    engine.join([[4, 5, 6, 7, 0]] * 4, [1] * 4)
    for _ in range(7):
        engine.step([1] * 4, 1)
    engine.select([])
    engine.join([[4, 0]], [1])
    assert engine.allocated == engine.footprint(1, 2, 1)


def test_memory_is_never_more_than_was_asked_for_at_one_time(make_engine: Make) -> None:
    """Many short rows, then one long row: slots are given up where positions are taken."""
    engine = make_engine()
    engine.join([[4, 0]] * 6, [1] * 6)
    engine.step([1] * 6, 1)
    engine.select([3])
    for _ in range(9):
        engine.step([1], 1)
    assert engine.allocated == engine.footprint(1, 2, 10)


def test_a_classifier_gives_the_golden_probabilities_in_any_batch(
    classification_bundle: Bundle, expected: Cases
) -> None:
    """All documents at once, padded, and each alone."""
    path = choose_graphs(classification_bundle, "fp32", "cpu").classifier
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
    encoder, _ = _paths(choose_graphs(translation_bundle, "fp32", "cpu"))
    with pytest.raises(ProviderError, match=r"provider cuda .*server-gpu.*--provider cpu"):
        open_session(encoder, "cuda", 1)


def test_operators_that_a_device_lacks_are_found(translation_bundle: Bundle) -> None:
    """ONNX Runtime gives them to the CPU in silence. Here all of them are there."""
    encoder, decoder = _paths(choose_graphs(translation_bundle, "int8", "cpu"))
    assert "MatMulIntegerToFloat" in left_behind(open_session(encoder, "cpu", 1))
    assert "GroupQueryAttention" in left_behind(open_session(decoder, "cpu", 1))
    assert left_behind(object()) == []


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
    encoder, _ = _paths(choose_graphs(bundle, "fp32", "cpu"))
    session = open_session(encoder, "cpu", 1)
    graphs = TranslationGraphs(session, session, encoder, encoder)
    with pytest.raises(BundleError, match=r"lacks input past_lengths.*output top_ids"):
        OnnxTranslator(graphs, bundle.dimensions, bundle.special.pad)


def test_precision_is_chosen_by_name(translation_bundle: Bundle) -> None:
    """The default is the bundle's first; one that is not there is refused with those that are."""
    bundle = translation_bundle
    assert choose_graphs(bundle, "default", "cpu") == bundle.graphs[0]
    assert choose_graphs(bundle, "int8", "cpu").precision is Precision.INT8
    with pytest.raises(BundleError, match="has no int4 graphs; it has fp32, int8"):
        choose_graphs(bundle, "int4", "cpu")


def test_precision_is_chosen_by_device(
    translation_bundle: Bundle, classification_bundle: Bundle
) -> None:
    """auto: the bundle's first on the CPU, half precision on a GPU."""
    mixed = _with(translation_bundle, Precision.FP16, Precision.INT8, Precision.FP32)
    assert choose_graphs(mixed, "auto", "cpu").precision is Precision.INT8
    assert choose_graphs(mixed, "auto", "cuda").precision is Precision.FP16
    plain = _with(classification_bundle, Precision.INT8, Precision.FP32)
    assert choose_graphs(plain, "auto", "cuda").precision is Precision.FP32


def test_graphs_that_a_device_does_not_run_are_refused(translation_bundle: Bundle) -> None:
    """Not run all the same, in some slow way that nobody sees."""
    mixed = _with(translation_bundle, Precision.FP16, Precision.INT8)
    with pytest.raises(BundleError, match=r"cpu does not run fp16 graphs.*has fp16, int8"):
        choose_graphs(mixed, "fp16", "cpu")
    with pytest.raises(BundleError, match="cpu does not run fp16 graphs"):
        choose_graphs(mixed, "default", "cpu")
    with pytest.raises(BundleError, match="cuda does not run int8 graphs"):
        choose_graphs(mixed, "int8", "cuda")
    with pytest.raises(BundleError, match="has fp32, int8 graphs; for translation cuda needs fp16"):
        choose_graphs(translation_bundle, "auto", "cuda")


def _with(bundle: Bundle, *precisions: Precision) -> Bundle:
    """The bundle as if it had graphs of those precisions."""
    graphs = tuple(replace(bundle.graphs[0], precision=each) for each in precisions)
    return replace(bundle, graphs=graphs)
