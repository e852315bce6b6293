"""Made text is kept as it is made, never made twice, and the same whatever befell its making."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import MarianMTModel

from lingraft.training.errors import ParentError, SynthesisError
from lingraft.training.measure.evaluate import greedy, hypotheses
from lingraft.training.models.marian import save_model
from lingraft.training.recipe.synthesis import GREEDY, Decoding
from lingraft.training.synthesis.generate import Translator, load_translator
from lingraft.training.vocabulary.codec import SPM_FILE, Codec

Make = Callable[[int], MarianMTModel]
Backwards = Callable[[str], str]
Made = Callable[..., Any]


@pytest.fixture
def texts(english: tuple[str, ...]) -> list[str]:
    """Eighteen sentences: five blocks of four."""
    return list(english[:18])


def test_translations_come_in_the_order_of_their_texts(
    make_translator: Made, make_decoder: Made, to_french: Backwards, texts: list[str]
) -> None:
    """In blocks of similar lengths; a text that comes twice is translated once."""
    decoder = make_decoder(to_french)
    twice = [*texts, texts[0], texts[5]]
    made = make_translator(decoder).translate(twice, "en", "fr")
    assert made == [to_french(text) for text in twice]
    assert list(map(len, decoder.calls)) == [4, 4, 4, 4, 2]


@pytest.mark.parametrize("dies_at", [0, 2, 4])
def test_a_killed_generation_goes_on_without_making_anything_twice(
    make_translator: Made,
    make_decoder: Made,
    to_french: Backwards,
    texts: list[str],
    killed: type[BaseException],
    dies_at: int,
) -> None:
    """Killed in its first block, midway and in its last."""
    first, second, third = make_decoder(to_french, dies_at), *map(make_decoder, [to_french] * 2)
    with pytest.raises(killed):
        make_translator(first).translate(texts, "en", "fr")
    made = make_translator(second).translate(texts, "en", "fr")
    assert made == [to_french(text) for text in texts]
    seen = [text for call in (*first.calls, *second.calls) for text in call]
    assert sorted(seen) == sorted(texts)
    assert make_translator(third).translate(texts, "en", "fr") == made
    assert not third.calls  # and what is finished stays so


def test_a_block_that_was_cut_short_is_made_again(
    make_translator: Made,
    make_decoder: Made,
    to_french: Backwards,
    texts: list[str],
    tmp_path: Path,
) -> None:
    """A kill in the middle of a line leaves no half of a text."""
    make_translator(make_decoder(to_french)).translate(texts, "en", "fr")
    (path,) = (tmp_path / "made").iterdir()
    lines = path.read_bytes().splitlines(keepends=True)
    path.unlink()
    part = path.with_name(path.stem + ".part.jsonl")
    part.write_bytes(b"".join(lines[:2]) + lines[2][:-9])
    decoder = make_decoder(to_french)
    made = make_translator(decoder).translate(texts, "en", "fr")
    assert made == [to_french(text) for text in texts]
    assert len(decoder.calls) == 3
    assert path.read_bytes() == b"".join(lines)
    assert not part.exists()


def test_what_another_made_is_not_taken(
    make_translator: Made,
    make_decoder: Made,
    to_french: Backwards,
    texts: list[str],
    tmp_path: Path,
) -> None:
    """Other weights, another decoding, another direction or other texts: each its own."""
    decoder = make_decoder(to_french)
    translator = make_translator(decoder)
    translator.translate(texts, "en", "fr")
    make_translator(decoder, seed=2).translate(texts, "en", "fr")
    replace(translator, decoding=Decoding(beams=2)).translate(texts, "en", "fr")
    translator.translate(texts, "en", "yo")
    translator.translate(texts[1:], "en", "fr")
    assert len(decoder.calls) == 25
    assert len(list((tmp_path / "made").iterdir())) == 5


def test_text_that_cannot_be_kept_stops_with_a_message(
    make_translator: Made, make_decoder: Made, to_french: Backwards, tmp_path: Path
) -> None:
    """A full disk, for one; here a file stands where the folder should."""
    (tmp_path / "made").write_text("in the way", encoding="utf-8")
    translator = make_translator(make_decoder(to_french))
    with pytest.raises(SynthesisError, match="cannot be kept: File exists; free space or give"):
        translator.translate(["two eggs"], "en", "fr")


def test_a_real_model_writes_what_it_writes_elsewhere(
    make_model: Make, codec: Codec, texts: list[str], tmp_path: Path
) -> None:
    """Greedy and with a beam, best first; loaded from a folder with its own vocabulary."""
    save_model(make_model(5), tmp_path / "model")
    (tmp_path / "model" / SPM_FILE).write_bytes(codec.spm.serialized_model_proto())
    where = str(tmp_path / "model")
    translator = load_translator(where, ["en", "yo"], tmp_path, GREEDY)
    ids = [codec.encode_source(text, "en", "yo") for text in texts]
    rows = greedy(make_model(5), ids)
    assert translator.translate(texts, "en", "yo") == list(map(codec.decode, rows))
    wide = Decoding(beams=3)
    beams = hypotheses(make_model(5), ids, wide, 3)
    best = replace(translator, decoding=wide).best(texts, "en", "yo", 3)
    assert best == [[codec.decode(row) for row in beam] for beam in beams]
    assert [beam[:1] for beam in beams] == hypotheses(make_model(5), ids, wide, 1)
    assert any(len({tuple(row) for row in beam}) == 3 for beam in beams)
    with pytest.raises(ParentError, match="no tag for ha"):
        load_translator(where, ["en", "ha"], tmp_path, GREEDY)


def test_drawn_text_is_drawn_again_the_same(
    make_model: Make, codec: Codec, texts: list[str], tmp_path: Path, killed: type[BaseException]
) -> None:
    """Also after a kill; another seed draws another; the caller's random numbers are left alone."""
    drawing = Decoding(sample=True, temperature=0.9, top_k=50)
    model = make_model(5)

    def made(folder: str, decoding: Decoding, dies: bool = False) -> list[str]:
        seeds: list[int] = []

        def decode(*given: Any) -> list[list[list[int]]]:
            seeds.append(given[2].seed)
            if dies and len(seeds) == 2:
                raise killed
            return hypotheses(*given)

        where = tmp_path / folder
        translator = Translator(model, codec, where, decoding, 4, decode)
        result = translator.translate(texts[:8], "en", "fr")
        assert len(set(seeds)) == len(seeds)  # no two blocks draw the same numbers
        return result

    torch.manual_seed(1)
    expected = torch.rand(1)
    torch.manual_seed(1)
    whole = made("whole", drawing)
    assert torch.equal(torch.rand(1), expected)
    with pytest.raises(killed):
        made("killed", drawing, dies=True)
    assert made("killed", drawing) == whole
    assert made("other", drawing.model_copy(update={"seed": 2})) != whole
    assert made("greedy", GREEDY) != whole
