"""Denoising through the loop: noise of its own in each epoch, and a kill changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest
from transformers import MarianMTModel

from lingraft.training.data.batches import Corpus
from lingraft.training.errors import CheckpointError, DataError, SynthesisError
from lingraft.training.models.marian import TranslationLoss, digest_of, freeze_padding_row
from lingraft.training.models.tensors import targets
from lingraft.training.recipe.recipes import Training
from lingraft.training.recipe.synthesis import Denoising, Monolingual
from lingraft.training.run.arms import log_likelihood
from lingraft.training.run.checkpoint import State
from lingraft.training.run.loop import Score, run
from lingraft.training.synthesis.denoising import Denoiser, denoising_corpus
from lingraft.training.synthesis.renewed import held_out, job_of
from lingraft.training.synthesis.texts import joined, read_texts
from lingraft.training.vocabulary.codec import EOS, UNK, Codec

ROOM = 48
Make = Callable[[int], MarianMTModel]


def _source(language: str = "en", **more: object) -> Monolingual:
    return Monolingual.model_validate({"name": "toy", "path": "", "language": language, **more})


@pytest.fixture
def corpus(codec: Codec, english: tuple[str, ...]) -> Corpus:
    """Sixty English sentences."""
    return denoising_corpus([_source()], [[(text,) for text in english[:60]]], codec, 40)[0]


@pytest.fixture
def denoiser(codec: Codec, corpus: Corpus) -> Denoiser:
    """The usual noise on them."""
    return Denoiser(corpus, codec, Denoising(), seed=3, room=ROOM)


def test_the_same_seed_and_epoch_give_the_same_noise(denoiser: Denoiser) -> None:
    """Another epoch or another seed another one, of most sentences."""
    first = [denoiser.source(0, i) for i in range(60)]
    assert [denoiser.source(0, i) for i in reversed(range(60))] == first[::-1]
    other_epoch = [denoiser.source(1, i) for i in range(60)]
    other_seed = [replace(denoiser, seed=4).source(0, i) for i in range(60)]
    assert sum(a != b for a, b in zip(first, other_epoch, strict=True)) > 50
    assert sum(a != b for a, b in zip(first, other_seed, strict=True)) > 50


def test_a_noised_source_asks_for_its_own_language(denoiser: Denoiser, codec: Codec) -> None:
    """Tag first, eos last, whole words between, and the target is the text."""
    texts = [codec.decode(denoiser.corpus.target(i).tolist()) for i in range(60)]
    for i, text in enumerate(texts):
        tag, *noisy, eos = denoiser.source(0, i)
        assert (tag, eos) == (codec.tag_id("en"), EOS)
        words = codec.decode([piece for piece in noisy if piece != UNK]).split()
        assert set(words) <= set(text.split())
    assert "sees" in " ".join(texts)


def test_pieces_are_the_unit_where_words_have_no_spaces(denoiser: Denoiser, codec: Codec) -> None:
    """Then words are torn apart."""
    apart = replace(denoiser, settings=Denoising(unit="piece"))
    torn = 0
    for i in range(60):
        left = [piece for piece in apart.source(0, i)[1:] if piece != UNK]
        known = set(codec.decode(denoiser.corpus.target(i).tolist()).split())
        torn += not set(codec.decode(left).split()) <= known
    assert torn > 30


def test_parallel_text_in_the_same_run_is_left_alone(denoiser: Denoiser, codec: Codec) -> None:
    """Denoising keeps a translation model from forgetting, and the reverse."""
    pair = (codec.encode_source("my sister", "en", "fr"), codec.encode_target("ym retsis", "fr"))
    both, weights = joined([(Corpus([pair], [0]), (2.0,)), (denoiser.corpus, (1.0,))])
    mixed = replace(denoiser, corpus=both, groups=frozenset({1}))
    assert weights == (2.0, 1.0)
    assert both.group.tolist() == [0] + [1] * 60
    assert mixed.source(0, 0) == pair[0]
    assert sum(mixed.source(0, i) != both.source(i).tolist() for i in range(1, 61)) > 50


def test_a_source_with_many_masks_keeps_within_the_model(denoiser: Denoiser) -> None:
    """It loses its end, and still ends."""
    short = replace(denoiser, room=5)
    sources = [short.source(0, i) for i in range(60)]
    assert max(map(len, sources)) == 5
    assert {row[-1] for row in sources} == {EOS}


def test_a_mask_piece_that_is_not_there_is_refused(denoiser: Denoiser, codec: Codec) -> None:
    """The message says what to use instead; one that is there is used."""
    with pytest.raises(SynthesisError, match=r"no piece '<mask>' .* leave mask_piece"):
        replace(denoiser, settings=Denoising(mask_piece="<mask>")).source(0, 0)
    named = replace(denoiser, settings=Denoising(mask_piece="▁", mask_share=0.5))
    assert int(codec.spm.piece_to_id("▁")) in named.source(0, 0)


def test_text_that_fits_nowhere_is_refused(codec: Codec, tmp_path: Path) -> None:
    """Read from a file, its limit kept."""
    (tmp_path / "en.txt").write_text("a green stone\ntwo eggs\nwarm bread\n", encoding="utf-8")
    source = _source(path=str(tmp_path / "en.txt"), limit=2)
    rows = read_texts([source])
    assert rows == [[("a green stone",), ("two eggs",)]]
    assert len(denoising_corpus([source], rows, codec, 40)[0]) == 2
    with pytest.raises(DataError, match="no text has 2 pieces or fewer: raise max_tokens"):
        denoising_corpus([source], rows, codec, 2)


@pytest.fixture
def train(
    tmp_path: Path, denoiser: Denoiser, settings: Training, make_model: Make
) -> Callable[..., tuple[State, TranslationLoss]]:
    """Runs the loop over noised text in a folder."""

    def go(
        folder: str, score: Score | None = None, text: Denoiser = denoiser, steps: int = 24
    ) -> tuple[State, TranslationLoss]:
        model = make_model(1)
        freeze_padding_row(model)
        loss = TranslationLoss(model, smoothing=0.0)
        sizes = {"max_steps": steps, "evaluate_every": 8}
        job = job_of(
            text,
            (1.0,),
            settings.model_copy(update=sizes),
            name="denoising",
            folder=tmp_path / folder,
            score_name="score",
            identity="toy",
        )
        return run(job, loss, score or map(float, count(1)).__next__), loss

    return go


def test_a_resumed_denoising_run_equals_an_uninterrupted_one(
    train: Callable[..., tuple[State, TranslationLoss]], killed: type[BaseException]
) -> None:
    """Killed in its second epoch, before what it has to see next was saved."""
    state, expected = train("whole")
    assert state.epoch >= 2

    numbers = count(1)

    def dies() -> float:
        number = next(numbers)
        if number == 2:
            raise killed
        return float(number)

    with pytest.raises(killed):
        train("killed", dies)
    again, module = train("killed", iter((2.0, 3.0)).__next__)
    assert digest_of(module) == digest_of(expected)
    assert replace(again, seconds=0.0) == replace(state, seconds=0.0)


def test_noise_is_part_of_what_a_run_is(
    train: Callable[..., tuple[State, TranslationLoss]], denoiser: Denoiser
) -> None:
    """And its epochs differ: the same noise in every epoch ends at other weights."""
    _, module = train("run")
    with pytest.raises(CheckpointError, match="other settings"):
        train("run", text=replace(denoiser, settings=Denoising(drop=0.2)))

    class Frozen(Denoiser):
        def source(self, epoch: int, example: int) -> list[int]:
            return super().source(0, example)

    text = Frozen(denoiser.corpus, denoiser.codec, denoiser.settings, denoiser.seed, ROOM)
    assert digest_of(train("frozen", text=text)[1]) != digest_of(module)


def test_a_model_learns_to_mend_text(
    train: Callable[..., tuple[State, TranslationLoss]], denoiser: Denoiser, make_model: Make
) -> None:
    """Noised text becomes likelier to be mended; measuring it draws the same noise each time."""
    batches = held_out(denoiser)
    assert sum(map(targets, batches)) == denoiser.corpus.lengths.sum() - 60
    before = log_likelihood(TranslationLoss(make_model(1), 0.0), batches, targets)
    _, module = train("run", steps=40)
    assert log_likelihood(module, held_out(denoiser), targets) > before + 1.0
