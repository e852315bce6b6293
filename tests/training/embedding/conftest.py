"""A parent with random weights: what moves where does not depend on what it has learnt."""

from __future__ import annotations

import json
import random

import pytest
import torch

from lingraft.training.embedding.material import Material, Parallel
from lingraft.training.models.marian import new_model, save_model
from lingraft.training.parents.find import PROVENANCE_FILE, ParentModel, find_parent
from lingraft.training.recipe.recipes import Shape
from lingraft.training.vocabulary.codec import codec_of, save_tokenizer, trained_spm

_ENGLISH = (
    "old",
    "river",
    "stone",
    "bridge",
    "garden",
    "window",
    "yellow",
    "carry",
    "under",
    "night",
)
_EWE = ("tsi", "tɔsisi", "kpe", "ɖeka", "abɔ", "fesre", "aŋgba", "kɔ", "te", "zã")


@pytest.fixture(scope="session")
def pairs() -> list[tuple[str, str]]:
    """400 rows (English, Ewe-like), word by word."""
    draw = random.Random(11)
    rows = []
    for _ in range(400):
        words = [draw.randrange(len(_EWE)) for _ in range(draw.randint(2, 6))]
        rows.append((" ".join(_ENGLISH[w] for w in words), " ".join(_EWE[w] for w in words)))
    return rows


@pytest.fixture(scope="session")
def material(pairs: list[tuple[str, str]]) -> Material:
    """Both sides as text, and as parallel text."""
    english, ewe = ([row[i] for row in pairs] for i in (0, 1))
    return Material({"en": english, "ee": ewe}, [Parallel("en", "ee", pairs)])


@pytest.fixture(scope="session")
def parent(tmp_path_factory: pytest.TempPathFactory, pairs: list[tuple[str, str]]) -> ParentModel:
    """A parent of English with a tag for French, stored in fp16 as shipped ones are."""
    folder = tmp_path_factory.mktemp("parents") / "toy"
    spm = trained_spm([english for english, _ in pairs], 400, ["en", "fr"], at_most=True)
    size = codec_of(spm).pad + 1
    shape = Shape(d_model=16, ffn=32, heads=2, encoder_layers=1, decoder_layers=1, max_positions=40)
    model = new_model(shape, size, seed=2)
    with torch.no_grad():  # hub parents have biases
        model.final_logits_bias[0, :-1] = torch.linspace(-1, 1, size - 1)
    save_model(model, folder, dtype=torch.float16)
    path = folder.with_name("toy.spm")
    path.write_bytes(spm)
    save_tokenizer(path, folder, shape.max_positions)
    provenance = {"languages": ["en"], "licence": "CC0-1.0"}
    (folder / PROVENANCE_FILE).write_text(json.dumps(provenance), encoding="utf-8")
    return find_parent(str(folder))
