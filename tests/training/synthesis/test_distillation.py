"""A student's targets are what its teacher writes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from transformers import MarianMTModel

from lingraft.training.data import testsets
from lingraft.training.measure.evaluate import hypotheses, translate
from lingraft.training.measure.metrics import chrf
from lingraft.training.recipe.settings import Pairs
from lingraft.training.recipe.synthesis import GREEDY, Decoding, Distillation, Filters
from lingraft.training.synthesis.distillation import distil, nearest
from lingraft.training.synthesis.generate import Translator
from lingraft.training.vocabulary.codec import Codec

Made = Callable[..., Any]
Backwards = Callable[[str], str]
Rows = list[tuple[str, ...]]
ALL = Filters(max_copied=1.0, max_repeats=10_000, max_length_ratio=1e6)


@pytest.fixture
def rows(english: tuple[str, ...], to_french: Backwards) -> Rows:
    """Twelve pairs."""
    return [(text, to_french(text)) for text in english[:12]]


def _pairs(**more: object) -> Pairs:
    values = {"name": "toy", "path": "toy.tsv", "source": "en", "target": "fr", **more}
    return Pairs.model_validate(values)


@pytest.mark.parametrize("beams", [1, 3])
def test_distilled_targets_are_the_teachers_outputs(
    rows: Rows, make_model: Callable[[int], MarianMTModel], codec: Codec, tmp_path: Path, beams: int
) -> None:
    """Both directions, greedy and with a beam, in the order of the sources."""
    model, decoding = make_model(5), Decoding(beams=beams)
    teacher = Translator(model, codec, tmp_path, decoding)
    settings = Distillation(teacher="toy", decoding=decoding, filters=ALL)
    pairs = _pairs(weight=2.0, licence="CC0-1.0")
    there, back = distil([pairs], [rows], settings, teacher, seed=1)
    for part, side, source, target in ((there, 0, "en", "fr"), (back, 1, "fr", "en")):
        texts = tuple(row[side] for row in rows)
        ids = [codec.encode_source(text, source, target) for text in texts]
        written = [codec.decode(best) for (best,) in hypotheses(model, ids, decoding)]
        assert all(written)
        assert part.rows == list(zip(texts, written, strict=True))
        assert (part.pairs.source, part.pairs.target) == (source, target)
        assert (part.pairs.weight, part.pairs.licence) == (2.0, "CC0-1.0")
        assert not part.pairs.both_directions
        if decoding == GREEDY:
            assert written == translate(
                model, codec, testsets.TestSet("toy", source, target, texts, texts)
            )


def test_a_second_distillation_writes_nothing(
    rows: Rows, make_translator: Made, make_decoder: Made, to_french: Backwards
) -> None:
    """It is hours of work: done once."""
    settings = Distillation(teacher="toy", decoding=GREEDY)
    decoders = [make_decoder(to_french) for _ in range(2)]
    first, second = (distil([_pairs()], [rows], settings, make_translator(d), 1) for d in decoders)
    assert first == second
    assert decoders[0].calls
    assert not decoders[1].calls


def test_a_share_of_the_rows_stays_real(
    rows: Rows, make_translator: Made, make_decoder: Made
) -> None:
    """The same ones for the same seed, and the teacher is not asked for them."""
    decoder = make_decoder(lambda text: "as the teacher says it here")
    settings = Distillation(teacher="toy", decoding=GREEDY, real_share=0.25)
    pairs = _pairs(both_directions=False)
    (part,) = distil([pairs], [rows], settings, make_translator(decoder), 1)
    real = [row for row, old in zip(part.rows, rows, strict=True) if row == old]
    assert len(real) == part.real == 3
    assert sum(map(len, decoder.calls)) == 9
    assert str(part) == "toy, distilled en-fr: 3 rows left real; of the teacher's kept 9 of 9"
    (other,) = distil([pairs], [rows], settings, make_translator(decoder), 2)
    assert other.rows != part.rows


def test_a_row_that_the_teacher_spoils_has_its_reference(
    rows: Rows, make_translator: Made, make_decoder: Made, to_french: Backwards
) -> None:
    """It is counted, and no row is lost."""
    spoilt = {rows[3][0]: "", rows[7][0]: "der der der der der der bird"}
    decoder = make_decoder(lambda text: spoilt.get(text, to_french(text).upper()))
    settings = Distillation(teacher="toy", decoding=GREEDY)
    pairs = _pairs(both_directions=False)
    (part,) = distil([pairs], [rows], settings, make_translator(decoder), 1)
    kept = [i for i, (row, old) in enumerate(zip(part.rows, rows, strict=True)) if row == old]
    assert kept == [3, 7]
    assert part.sifted.dropped == {"empty": 1, "loop": 1}


def test_what_is_nearest_to_the_reference_may_be_chosen(
    rows: Rows, make_model: Callable[[int], MarianMTModel], codec: Codec, tmp_path: Path
) -> None:
    """Of the whole beam: never further away than its best, and nearer for some."""
    beam = ["the red dog", "the small dog sees", "a small dog sees two eggs", "two"]
    assert nearest(beam, "a small dog sells two eggs") == beam[2]
    assert nearest(["same", "same"], "other") == "same"
    decoding = Decoding(beams=4)
    teacher = Translator(make_model(5), codec, tmp_path, decoding)
    pairs = _pairs(both_directions=False)

    def scores(choice: str) -> list[float]:
        values = {"teacher": "toy", "decoding": decoding, "choice": choice, "filters": ALL}
        settings = Distillation.model_validate(values)
        (part,) = distil([pairs], [rows], settings, teacher, 1)
        made = zip(part.rows, rows, strict=True)
        return [chrf([text], [reference]).value for (_, text), (_, reference) in made]

    gains = [n - b for n, b in zip(scores("nearest"), scores("best"), strict=True)]
    assert min(gains) >= 0 < max(gains)
