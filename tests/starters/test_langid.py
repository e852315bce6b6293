"""The language identifier that ships in the repository, on sentences of ours."""

from __future__ import annotations

from lingraft.client import Client, LanguageDetection

SENTENCES = {
    "de": "Wir warten am Bahnhof, weil der Zug wieder zu spät kommt.",
    "en": "We are waiting at the station because the train is late again.",
    "es": "Esperamos en la estación porque el tren llega tarde otra vez.",
    "fr": "Nous attendons à la gare parce que le train est encore en retard.",
    "haw": "Ke hele nei mākou i ke kai me nā keiki.",
    "id": "Kami menunggu di stasiun karena kereta terlambat lagi.",
    "sw": "Tunasubiri kituoni kwa sababu treni imechelewa tena.",
    "yo": "À ń dúró ní ibùdókọ̀ nítorí pé ọkọ̀ ojú irin tún ti pẹ́.",
}
STRANGERS = (
    "Odotamme asemalla, koska juna on taas myöhässä.",
    "Περιμένουμε στον σταθμό γιατί το τρένο άργησε πάλι.",
    "기차가 또 늦어서 우리는 역에서 기다리고 있다.",
    "xq vbtz wwkrp jd",
    "2026-11-25 17:04, 88%",
    "for (int i = 0; i < n; ++i) { total += a[i]; }",
)


def test_languages_are_told_apart(server: Client) -> None:
    """A sentence of ours in each of eight languages."""
    assert _languages(server, list(SENTENCES.values())) == list(SENTENCES)


def test_what_is_in_no_known_language_is_und(server: Client) -> None:
    """Finnish, Greek, Korean, noise, digits, code: no default to English."""
    assert _languages(server, list(STRANGERS)) == ["und"] * 6


def _languages(server: Client, texts: list[str]) -> list[str]:
    found = [each for each in server.detect(texts) if isinstance(each, LanguageDetection)]
    return [each.language for each in found]
