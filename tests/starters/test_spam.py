"""The spam filter that ships in the repository, on messages of ours.

In its own languages on those of examples/spam that nothing was trained or chosen on; in Italian and
Dutch, of which nobody gave it a single label, on the ones below.
"""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from sklearn.metrics import roc_auc_score

from lingraft.client import Classification, Client

_TEST = Path(__file__).resolve().parents[2] / "examples" / "spam" / "test.tsv"
SPAM = {
    "it": (
        "Congratulazioni! Hai vinto un buono da 500 euro. Clicca qui per ritirarlo subito: "
        "www.premi-oggi.example",
        "OFFERTA LIMITATA: telefono nuovo a 1 euro, solo per i primi 100 clienti. Rispondi SI ora!",
        "Il tuo conto è stato bloccato. Verifica i tuoi dati entro 24 ore su "
        "http://banca-sicura.example",
        "Prestito immediato fino a 20.000 euro senza garanzie. Chiama 800 123 456.",
        "Hai 1 messaggio vocale non ascoltato. Chiama 899 000 111, costo 2 euro al minuto.",
        "Perdi 10 kg in una settimana! Prova gratis la nostra pillola, spedizione 4,99.",
        "URGENTE: il tuo pacco è fermo. Paga 2,99 per la consegna: http://posta.example/pay",
        "Guadagna 300 euro al giorno da casa! Scrivi INFO al 48100.",
    ),
    "nl": (
        "Gefeliciteerd! U heeft een cadeaubon van 500 euro gewonnen. Klik hier: www.prijs.example",
        "LAATSTE KANS: gratis smartphone voor de eerste 100 bellers. Bel nu 0909 1234!",
        "Uw rekening is geblokkeerd. Bevestig uw gegevens binnen 24 uur op "
        "http://veilig-bank.example",
        "Snel geld lenen zonder toetsing, tot 20.000 euro. Stuur JA naar 4411.",
        "U heeft 1 nieuw bericht. Bel 0906 5555 om het te beluisteren, 1,50 per minuut.",
        "Win een reis naar Spanje! Stuur REIS naar 7070, 3 euro per bericht.",
        "Uw pakket wacht op betaling van 2,99: http://pakket.example/betaal",
        "Verdien 300 euro per dag vanuit huis, GRATIS informatie: www.rijk.example",
    ),
}
HAM = {
    "it": (
        "Arrivo tra dieci minuti, metti su la pasta.",
        "Ciao mamma, ti chiamo stasera dopo il lavoro.",
        "Hai visto le mie chiavi? Forse le ho lasciate da te.",
        "Va bene, ci vediamo davanti alla stazione.",
        "Scusa, ero in riunione e non ho sentito il telefono.",
        "Domani non vengo, ho ancora la febbre.",
        "Puoi prendere il pane quando torni?",
        "Che bella serata ieri, grazie di tutto.",
    ),
    "nl": (
        "Ik ben er over tien minuten, zet jij de thee vast?",
        "Dag mam, ik bel je vanavond na het werk.",
        "Heb jij mijn sleutels gezien? Misschien liggen ze bij jou.",
        "Goed, dan zie ik je voor het station.",
        "Sorry, ik zat in een vergadering en hoorde niets.",
        "Morgen kom ik niet, ik heb nog steeds koorts.",
        "Neem jij brood mee als je terugkomt?",
        "Wat een leuke avond was dat, dank je wel.",
    ),
}


def _answers(server: Client, texts: list[str], language: str | None) -> list[Classification]:
    found = server.classify(texts, model="models/spam", language=language)
    answers = [each for each in found if isinstance(each, Classification)]
    assert len(answers) == len(texts), found
    return answers


def _suspicion(answer: Classification) -> float:
    return next(label.raw_logit for label in answer.labels if label.name == "spam")


def test_spam_stands_above_ham_in_messages_it_has_not_seen(server: Client) -> None:
    """In at least four of five pairs of a spam message and another."""
    with _TEST.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    scores: list[float] = []
    truth: list[bool] = []
    for language in {row[2] for row in rows}:
        own = [row for row in rows if row[2] == language]
        scores += map(_suspicion, _answers(server, [row[0] for row in own], language))
        truth += [row[1] == "spam" for row in own]
    assert len(scores) == len(rows) == 80
    assert roc_auc_score(truth, scores) > 0.8


def test_ham_is_seldom_called_spam(server: Client) -> None:
    """By the default thresholds, in the languages that have them."""
    everyday = {
        "en": ["I'll be there in ten minutes.", "Did you see my keys?", "Call you after work."],
        "de": ["Ich bin in zehn Minuten da.", "Hast du meine Schlüssel gesehen?"],
        "fr": ["J'arrive dans dix minutes.", "Tu as vu mes clés ?", "Je t'appelle ce soir."],
    }
    for language, texts in everyday.items():
        answers = _answers(server, texts, language)
        assert [each.labels[0].name for each in answers] == ["ham"] * len(texts)
        assert all(each.calibration.calibrated for each in answers)


@pytest.mark.parametrize("language", sorted(SPAM))
def test_in_a_language_without_labels_it_is_better_than_chance_and_decides_nothing(
    server: Client, language: str
) -> None:
    """It says that it does not know the language, that nothing is calibrated, and abstains."""
    texts = [*SPAM[language], *HAM[language]]
    answers = _answers(server, texts, language)
    truth = [True] * len(SPAM[language]) + [False] * len(HAM[language])
    assert roc_auc_score(truth, list(map(_suspicion, answers))) > 0.95
    for answer in answers:
        assert answer.decision == "ABSTAIN"
        assert not answer.language_supported
        assert not answer.calibration.calibrated
        assert "LANGUAGE_UNSUPPORTED" in answer.warnings


def test_a_message_longer_than_it_reads_is_judged_by_what_it_reads(server: Client) -> None:
    """With a warning."""
    (answer,) = _answers(server, ["We will meet at the station at noon. " * 60], "en")
    assert "TRUNCATED" in answer.warnings
    assert answer.labels[0].name == "ham"
