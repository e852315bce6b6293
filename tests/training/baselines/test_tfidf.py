"""The classical baseline: it learns what letters tell, and its penalty is chosen on dev."""

from __future__ import annotations

from lingraft.training.baselines.tfidf import fit_tfidf

TEXTS = ["win a free prize now", "call now to win cash", "free cash prize, call", "lunch at noon?",
         "see you at the station", "she sends her love"] * 3  # fmt: skip
LABELS = [1, 1, 1, 0, 0, 0] * 3
DEV = ["a prize of cash is free", "noon at the station"]


def test_texts_that_share_letters_share_a_label() -> None:
    """Unseen words that look like seen ones are enough."""
    fitted = fit_tfidf(TEXTS, LABELS, DEV, [1, 0])
    assert fitted.predict(["prizes! callers win", "stations at noon"]) == [1, 0]


def test_the_penalty_is_the_one_that_is_best_on_dev() -> None:
    """Every trial is told, and the same text gives the same fit."""
    fitted = fit_tfidf(TEXTS, LABELS, DEV, [1, 0])
    best = max(score for _, score in fitted.trials)
    assert dict(fitted.trials)[fitted.inverse_penalty] == best
    assert len(fitted.trials) == 3
    assert fit_tfidf(TEXTS, LABELS, DEV, [1, 0]).trials == fitted.trials
