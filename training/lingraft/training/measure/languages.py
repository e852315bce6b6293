"""Which of a few known languages a sentence is in, learned from the text at hand.

A multinomial naive Bayes classifier over character 1- to 4-grams (Dunning 1994, Statistical
Identification of Language), as it needs no download and no more than some hundred sentences of a
language. It knows the languages it was shown and no other: text in a tongue that it never saw is
put down to the nearest, so a rate is a floor.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.naive_bayes import MultinomialNB

_FEWEST = 20  # sentences of a language
_MOST = 2000  # of a language, evenly drawn: more tell no more
_GENUINE = 0.99
_FEATURES = 50_000


class Languages:
    """Tells languages apart, and knows how sure it must be.

    Half of the sentences of each language train the classifier; the other half set, for each
    language, how far another may be ahead (in nats per character) before a sentence is called
    wrong: as far as in 99 of 100 genuine sentences.

    Args:
        texts: sentences by language, such as the references of all test sets and the text trained
            on. Languages of fewer than 20 sentences are left out.
    """

    def __init__(self, texts: Mapping[str, Sequence[str]]) -> None:
        usable = {code: _drawn(rows) for code, rows in sorted(texts.items())}
        usable = {code: rows for code, rows in usable.items() if len(rows) >= _FEWEST}
        self.known: tuple[str, ...] = tuple(usable) if len(usable) > 1 else ()
        self._allowed: dict[str, float] = {}
        if not self.known:
            return
        self._vectorizer: Any = CountVectorizer(
            analyzer="char_wb", ngram_range=(1, 4), max_features=_FEATURES, preprocessor=_plain
        )
        rows = [(text, code) for code in self.known for text in usable[code][0::2]]
        counts = self._vectorizer.fit_transform([text for text, _ in rows])
        even = np.full(len(self.known), 1 / len(self.known))
        self._model: Any = MultinomialNB(alpha=0.1, class_prior=even)
        self._model.fit(counts, [code for _, code in rows])
        for code in self.known:
            margins = self._margins(usable[code][1::2], code)
            self._allowed[code] = max(0.0, float(np.quantile(margins, _GENUINE, method="higher")))

    def is_wrong(self, text: str, language: str) -> bool:
        """Whether `text` is in another of the known languages than `language`.

        Text without letters is in no language and so never in the wrong one.
        """
        if not any(character.isalpha() for character in text):
            return False
        return bool(self._margins([text], language)[0] > self._allowed[language])

    def nearest(self, text: str) -> str:
        """The known language that fits `text` best."""
        return self.known[int(self._scores([text])[0].argmax())]

    def _margins(self, texts: Sequence[str], language: str) -> NDArray[np.float64]:
        """How far the best other language is ahead of `language`, in nats per character."""
        scores = self._scores(texts)
        index = self.known.index(language)
        others = np.delete(scores, index, axis=1).max(axis=1)
        sizes = np.array([max(1, len(text)) for text in texts])
        return np.asarray((others - scores[:, index]) / sizes, dtype=np.float64)

    def _scores(self, texts: Sequence[str]) -> NDArray[np.float64]:
        counts = self._vectorizer.transform(texts)
        return np.asarray(self._model.predict_joint_log_proba(counts), dtype=np.float64)


def _drawn(rows: Sequence[str]) -> list[str]:
    """The distinct rows with letters, thinned evenly to the most that is needed."""
    rows = [row for row in dict.fromkeys(rows) if any(c.isalpha() for c in row)]
    return rows[:: max(1, len(rows) // _MOST)][:_MOST]


def _plain(text: str) -> str:
    return unicodedata.normalize("NFC", text).casefold()
