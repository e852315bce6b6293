"""From data sources to ids and test sets."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from lingraft.training.data import corpora
from lingraft.training.data.keys import key
from lingraft.training.errors import DataError
from lingraft.training.recipe.recipes import Pairs, Text, Vocabulary
from lingraft.training.vocabulary.codec import Codec, load_codec

PAIR = Pairs(name="toy", path="toy.tsv", source="en", target="fr", weight=2.0)
ROWS = [("the farmer", "eht remraf"), ("two eggs", "owt sgge"), ("warm bread", "mraw daerb")]


@pytest.fixture(scope="module")
def codec(parent_run: Path) -> Codec:
    """The tiny parent's."""
    return load_codec(parent_run / "model")


def test_both_directions_are_trained_unless_told_otherwise(codec: Codec) -> None:
    """Each example with the tag of its own target."""
    both, weights = corpora.training_corpus([PAIR], [ROWS], codec, 50)
    assert weights == (2.0,)
    assert len(both) == 6
    assert both.source(0).tolist() == codec.encode_source("the farmer", "en", "fr")
    assert both.target(0).tolist() == codec.encode_target("eht remraf", "fr")
    assert both.source(1).tolist() == codec.encode_source("eht remraf", "fr", "en")
    one_way = PAIR.model_copy(update={"both_directions": False})
    assert len(corpora.training_corpus([one_way], [ROWS], codec, 50)[0]) == 3


def test_examples_remember_their_source(codec: Codec) -> None:
    """Weights belong to sources."""
    corpus, _ = corpora.training_corpus([PAIR, PAIR], [ROWS[:1], ROWS[1:]], codec, 50)
    assert corpus.group.tolist() == [0, 0, 1, 1, 1, 1]


def test_too_long_examples_are_left_out(codec: Codec) -> None:
    """Where a side has more pieces than the limit; none left is an error that says what to do."""
    lengths = sorted(len(codec.encode_target(row[0], "en")) for row in ROWS)
    limit = lengths[-1] + 1  # the tag of the source counts
    long = ("the farmer sees two eggs and warm bread and the farmer", "x")
    assert len(corpora.training_corpus([PAIR], [[*ROWS, long]], codec, limit)[0]) <= 6
    with pytest.raises(DataError, match="has 2 pieces or fewer: raise max_tokens"):
        corpora.training_corpus([PAIR], [ROWS], codec, 2)


def test_a_test_set_is_made_of_evenly_spread_rows() -> None:
    """In both directions, the same rows."""
    forth, back = corpora.test_sets([PAIR], [ROWS], 2)
    assert (forth.direction, back.direction) == ("en-fr", "fr-en")
    assert forth.sources == back.references == ("the farmer", "two eggs")
    assert corpora.spread(10, 4) == [0, 2, 5, 7]
    assert corpora.spread(3, 4) == [0, 1, 2]
    assert len(corpora.test_sets([PAIR], [ROWS], None)[0].sources) == 3


def test_the_vocabulary_hears_every_language_equally_often(tmp_path: Path) -> None:
    """Few sentences repeat, many are thinned out over all files."""
    (tmp_path / "en.txt").write_text("".join(f"word {i}\n" for i in range(100)), encoding="utf-8")
    (tmp_path / "haw.txt").write_text("Hawai'i\nmoku\n", encoding="utf-8")
    vocabulary = Vocabulary(
        size=300,
        languages=["en", "haw"],
        sentences_per_language=10,
        texts=[Text(path=str(tmp_path / f"{code}.txt"), language=code) for code in ("en", "haw")],
    )
    sentences = list(corpora.vocabulary_text(vocabulary))
    assert sentences[:10] == [f"word {i}" for i in range(0, 100, 10)]
    assert Counter(sentences[10:]) == {"Hawaiʻi": 5, "moku": 5}


def test_rows_are_compared_without_case_spacing_or_closing_marks() -> None:
    """What a person would call the same sentence, on either side."""
    held_out = corpora.keys([[("Two  eggs!", "Owt sgge")]])
    assert held_out == {"two eggs", "owt sgge"}
    rows = [("two eggs", "new"), ("new", "OWT SGGE."), ("three eggs", "eerht sgge")]
    assert corpora.without(rows, held_out) == rows[2:]
    assert key("Why?") == key(" why ")


def test_a_smaller_sample_is_part_of_a_larger_one(tmp_path: Path) -> None:
    """So that a curve over sizes adds text and changes none."""
    rows = "".join(f"left {i}\tright {i}\n" for i in range(100))
    (tmp_path / "pairs.tsv").write_text(rows, encoding="utf-8")
    source = PAIR.model_copy(update={"path": str(tmp_path / "pairs.tsv")})
    few, more, beyond = (
        corpora.read_pairs([source.model_copy(update={"sample": size})])[0]
        for size in (10, 40, 999)
    )
    assert (len(few), len(more), len(beyond)) == (10, 40, 100)
    assert set(few) < set(more)
    assert few == [row for row in more if row in set(few)]
