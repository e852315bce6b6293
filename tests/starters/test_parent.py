"""The embedded parent, on sentences of ours."""

from __future__ import annotations

import pytest
from sacrebleu.metrics import CHRF

from lingraft.training.data import testsets
from lingraft.training.measure.evaluate import translate
from lingraft.training.models.marian import load_model
from lingraft.training.parents.find import find_parent

SENTENCES = {
    "en": (
        "I have lost my keys.",
        "She is reading a book.",
        "Where is the station?",
        "My brother lives in Germany.",
        "We will come tomorrow.",
        "The weather is beautiful today.",
    ),
    "fr": (
        "J'ai perdu mes clés.",
        "Elle lit un livre.",
        "Où est la gare ?",
        "Mon frère vit en Allemagne.",
        "Nous viendrons demain.",
        "Il fait beau aujourd'hui.",
    ),
    "de": (
        "Ich habe meine Schlüssel verloren.",
        "Sie liest ein Buch.",
        "Wo ist der Bahnhof?",
        "Mein Bruder lebt in Deutschland.",
        "Wir werden morgen kommen.",
        "Das Wetter ist heute schön.",
    ),
    "es": (
        "He perdido mis llaves.",
        "Ella está leyendo un libro.",
        "¿Dónde está la estación?",
        "Mi hermano vive en Alemania.",
        "Vendremos mañana.",
        "Hoy hace buen tiempo.",
    ),
}
PAIRS = [("en", "fr"), ("en", "de"), ("en", "es"), ("fr", "en"), ("de", "en"), ("es", "en")]


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_simple_sentences_come_out_nearly_right(source: str, target: str) -> None:
    """In each of its directions."""
    parent = find_parent("parent-xs")
    test = testsets.TestSet("ours", source, target, SENTENCES[source], SENTENCES[target])
    made = translate(load_model(parent.folder), parent.codec, test)
    assert CHRF(word_order=2).corpus_score(made, [[*SENTENCES[target]]]).score > 45
