"""The topics that ship in the repository, on sentences of ours that nothing was trained on."""

from __future__ import annotations

import pytest

from lingraft.client import Classification, Client

TOPICS = (
    "entertainment",
    "geography",
    "health",
    "politics",
    "science/technology",
    "sports",
    "travel",
)
SENTENCES = {
    "en": (
        "The singer will give a concert with her band after the premiere of the film.",
        "The island lies in the ocean and its mountains are covered by rain forest.",
        "Doctors say that the virus causes fever and that patients need treatment.",
        "The president lost the election and the parliament chose a new government.",
        "Scientists measured how light and energy move through the atoms of a crystal.",
        "The team won the match by two goals and plays the final on Sunday.",
        "Visitors should book a hotel early and take the bus from the airport.",
    ),
    "fr": (
        "La chanteuse donnera un concert avec son groupe après la première du film.",
        "L'île se trouve dans l'océan et ses montagnes sont couvertes de forêts.",
        "Les médecins disent que le virus donne de la fièvre et qu'il faut un traitement.",
        "Le président a perdu les élections et le parlement a choisi un gouvernement.",
        "Les scientifiques ont mesuré comment la lumière et l'énergie traversent les atomes.",
        "L'équipe a gagné le match par deux buts et joue la finale dimanche.",
        "Les visiteurs devraient réserver un hôtel et prendre le bus à l'aéroport.",
    ),
    "sw": (
        "Mwimbaji atafanya tamasha la muziki na bendi yake baada ya filamu mpya.",
        "Kisiwa hiki kiko katika bahari na milima yake imefunikwa na misitu.",
        "Madaktari wanasema kwamba virusi husababisha homa na wagonjwa wanahitaji matibabu.",
        "Rais alishindwa katika uchaguzi na bunge lilichagua serikali mpya.",
        "Wanasayansi walipima jinsi nuru na nishati zinavyopita katika atomu.",
        "Timu ilishinda mechi kwa mabao mawili na itacheza fainali Jumapili.",
        "Wageni wanapaswa kuhifadhi hoteli mapema na kupanda basi kutoka uwanja wa ndege.",
    ),
}


@pytest.mark.parametrize("language", SENTENCES)
def test_it_tells_plain_sentences_apart(server: Client, language: str) -> None:
    """One of each topic; two may be mistaken, as three of ten are on the test set."""
    found = server.classify(list(SENTENCES[language]), model="models/topic", language=language)
    best = [each.labels[0].name for each in found if isinstance(each, Classification)]
    right = sum(guess == topic for guess, topic in zip(best, TOPICS, strict=True))
    assert right >= len(TOPICS) - 2
