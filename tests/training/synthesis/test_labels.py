"""Labels go with their texts into another language."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lingraft.training.data.labelled import LabelledRow
from lingraft.training.recipe.synthesis import Filters, TranslateTrain
from lingraft.training.synthesis.labels import translate_test, translate_train

Made = Callable[..., Any]
Backwards = Callable[[str], str]


def _rows(english: tuple[str, ...], to_french: Backwards) -> list[LabelledRow]:
    """Eight English rows, and one that is French already."""
    rows = [(text, "food" if text.startswith("the") else "rest", "en") for text in english[:8]]
    return [*rows, (to_french("my sister sees two eggs."), "rest", "fr")]


def test_translated_training_rows_keep_their_labels(
    english: tuple[str, ...], to_french: Backwards, make_translator: Made, make_decoder: Made
) -> None:
    """The rows as they were come first; what is in the language already is not translated."""
    rows = _rows(english, to_french)
    translator = make_translator(make_decoder(to_french))
    settings = TranslateTrain(translator="toy", languages=["fr"])
    both = translate_train(rows, settings, translator)
    assert both.rows[:9] == rows
    assert both.rows[9:] == [(to_french(text), label, "fr") for text, label, _ in rows[:8]]
    assert {label for _, label, _ in both.rows[9:]} == {"food", "rest"}
    assert str(both) == "into fr: kept 8 of 8"
    alone = settings.model_copy(update={"keep_source": False})
    assert translate_train(rows, alone, translator).rows == both.rows[9:]


def test_unfit_translations_are_dropped_with_their_labels(
    english: tuple[str, ...], to_french: Backwards, make_translator: Made, make_decoder: Made
) -> None:
    """Planted among good ones; the rest keep the right labels, and the count says why."""
    rows = _rows(english, to_french)
    planted = {
        rows[1][0]: rows[1][0],
        rows[2][0]: "",
        rows[4][0]: "der der der der der der bird",
        rows[6][0]: "x",
    }
    translator = make_translator(make_decoder(lambda text: planted.get(text, to_french(text))))
    settings = TranslateTrain(translator="toy", languages=["fr", "yo"], keep_source=False)
    result = translate_train(rows, settings, translator)
    french = [row for row in result.rows if row[2] == "fr"]
    assert french == [(to_french(rows[i][0]), rows[i][1], "fr") for i in (0, 3, 5, 7)]
    assert result.sifted["fr"].dropped == {"copied": 1, "empty": 1, "loop": 1, "length": 1}
    assert len(result.rows) == 4 + 5  # the French row goes into Yoruba too


def test_translated_test_rows_are_all_there(
    english: tuple[str, ...], to_french: Backwards, make_translator: Made, make_decoder: Made
) -> None:
    """A hard row is part of the test; it is counted, and an empty one falls back on its text."""
    rows = [(to_french(t), label, "fr") for t, label, _ in _rows(english, to_french)[:4]]
    rows.append(("warm bread", "food", "en"))
    planted = {rows[0][0]: "", rows[1][0]: rows[1][0]}
    translator = make_translator(make_decoder(lambda text: planted.get(text, to_french(text))))
    result = translate_test(rows, "en", translator, Filters())
    assert [row[1] for row in result.rows] == [row[1] for row in rows]
    assert {row[2] for row in result.rows} == {"en"}
    assert [row[0] for row in result.rows[:2]] == [rows[0][0], rows[1][0]]
    assert [row[0] for row in result.rows[2:]] == [*english[2:4], "warm bread"]
    assert str(result) == "into en: kept 2 of 4; dropped 1 copied, 1 empty"
