"""The shipped recipes of a classifier's methods made small: toy parent, toy labels, a few steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from torch import Tensor

from lingraft.training.models.marian import load_model, weights_of
from lingraft.training.recipe.loading import load_recipe
from lingraft.training.recipe.recipes import ClassifyRecipe
from lingraft.training.recipe.settings import Labelled, Training
from lingraft.training.recipe.stages import Stage

Rows = Sequence[Sequence[str]]

TRAINING = Training(
    learning_rate=1e-2,
    warmup_steps=2,
    max_steps=12,
    batch_tokens=400,
    evaluate_every=12,
    save_every=12,
    average_last=1,
    precision="fp32",
    threads=1,
)


def _label(text: str) -> str:
    return "trade" if any(verb in text for verb in ("sells", "carries", "finds")) else "other"


@dataclass(frozen=True)
class Toy:
    """Labelled toy text on disk, and shipped recipes that read it."""

    parent: Path
    data: Path

    def recipe(self, name: str, **changes: Any) -> ClassifyRecipe:
        """The shipped recipe `methods/NAME` on the toy: its method's tables, not its budget."""
        shipped = load_recipe(f"methods/{name}")
        assert isinstance(shipped, ClassifyRecipe)
        small: dict[str, Any] = {
            "parent": str(self.parent),
            "seeds": 1,
            "training": TRAINING,
            "grid": {"learning_rates": [1e-2], "dropouts": [0.0], "trial_steps": 2},
            "gate": shipped.gate.model_copy(update={"resamples": 100}),
            "stages": [self._small(stage) for stage in shipped.stages],
            "monolingual": [
                text.model_copy(update={"path": str(self.data / "yo.txt")})
                for text in shipped.monolingual
                if text.language == "yo"
            ],
            **{part: self._read(part, getattr(shipped, part)) for part in ("train", "dev", "test")},
        }
        made = shipped.model_copy(update={**small, **changes})
        return ClassifyRecipe.model_validate(made.model_dump(warnings=False))

    def _read(self, part: str, sources: Sequence[Labelled]) -> list[Labelled]:
        return [
            source.model_copy(
                update={"path": str(self.data / f"{part}.{source.language}.tsv"), "header": False}
            )
            for source in sources
            if source.language in ("en", "fr", "yo")
        ]

    def _small(self, stage: Stage) -> Stage:
        made = stage.translate_train
        if made is not None:
            made = made.model_copy(update={"translator": str(self.parent), "languages": ["fr"]})
        training = stage.training and TRAINING
        return stage.model_copy(update={"training": training, "translate_train": made})

    @property
    def encoder(self) -> dict[str, Tensor]:
        """The parent's encoder."""
        return weights_of(load_model(self.parent).model.encoder)


@pytest.fixture(scope="module")
def toy(
    tmp_path_factory: pytest.TempPathFactory,
    parent_run: Path,
    english: tuple[str, ...],
    to_yoruba: Callable[[str], str],
    to_french: Callable[[str], str],
    write_tsv: Callable[[Path, Rows], Path],
) -> Toy:
    """The same labels in three tongues; no sentence stands in two parts."""
    folder = tmp_path_factory.mktemp("methods-labels")
    for code, say in (("en", str), ("fr", to_french), ("yo", to_yoruba)):
        rows = [(say(text), _label(text)) for text in english]
        for part, chosen in (("dev", rows[:24]), ("test", rows[24:40]), ("train", rows[40:160])):
            write_tsv(folder / f"{part}.{code}.tsv", chosen)
    write_tsv(folder / "yo.txt", [[to_yoruba(text)] for text in english[160:]])
    return Toy(parent_run / "model", folder)
