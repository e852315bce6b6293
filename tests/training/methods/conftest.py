"""Shipped recipes of the methods, made small: the toy parent, toy text, a few steps, one control."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from lingraft.training.graft import Graft, graft
from lingraft.training.pretrain import pretrain
from lingraft.training.recipe.recipes import GraftRecipe, PretrainRecipe, load_recipe
from lingraft.training.recipe.settings import Pairs, Training
from lingraft.training.recipe.synthesis import Monolingual

Rows = Sequence[Sequence[str]]
STEPS = 12

_TRAINING = Training(
    learning_rate=3e-3,
    warmup_steps=2,
    max_steps=STEPS,
    batch_tokens=400,
    evaluate_every=STEPS,
    save_every=STEPS,
    average_last=1,
    precision="fp32",
    threads=1,
)


@dataclass(frozen=True)
class Bench:
    """Toy data on disk, and shipped recipes that read it."""

    parent: Path  # of the run
    data: Path

    def recipe(self, name: str, **changes: Any) -> GraftRecipe:
        """The shipped recipe `methods/NAME` with the toy's text, budget and parent."""
        shipped = load_recipe(f"methods/{name}")
        assert isinstance(shipped, GraftRecipe)
        return self.small(shipped, **changes)

    def small(self, shipped: GraftRecipe, **changes: Any) -> GraftRecipe:
        """The same experiment on the toy; what is in `changes` is set last."""
        first = shipped.seed
        settings = {
            "parent": str(self.parent / "model"),
            "seeds": 1,
            "dev_sentences": 4,
            "parity_sentences": 4,
            "training": _TRAINING,
            "grid": shipped.grid.model_copy(
                update={"learning_rates": [3e-3], "dropouts": [0.0], "trial_steps": 2}
            ),
            "controls": shipped.controls.model_copy(update={"arms": ("random-parent",)}),
            "gate": shipped.gate.model_copy(update={"resamples": 300}),
            "stages": [_small_stage(stage, first) for stage in shipped.stages],
            "vocabulary": shipped.vocabulary.model_copy(update={"size": _SIZES[shipped.vocabulary.method]}),
            "train": self._pairs("train", shipped.train),
            "rehearsal": self._pairs("rehearsal", shipped.rehearsal),
            "monolingual": [
                Monolingual(name=t.name, path=str(self.data / f"{t.language}.txt"), language=t.language)
                for t in shipped.monolingual
            ],
            "dev": self._pairs("dev", shipped.dev[:1]),
            "test": self._pairs("test", shipped.test[:1]),
            "parent_test": [],
        }
        made = shipped.model_copy(update={**settings, **changes})
        return GraftRecipe.model_validate(made.model_dump())

    def _pairs(self, part: str, sources: Sequence[Pairs]) -> list[Pairs]:
        """One toy source for all of a part, as the toy tongues have one text each."""
        return [
            Pairs(
                name=f"toy {part}",
                path=str(self.data / f"{part}.{one.target}.tsv"),
                source=one.source,
                target=one.target,
            )
            for one in sources[:1]
        ]


_SIZES = {"keep": None, "extend": 40, "replace": 330}


def _small_stage(stage: Any, seed: int) -> Any:
    changes: dict[str, Any] = {"training": stage.training and _TRAINING, "dropout": 0.0}
    return stage.model_copy(update=changes)


@pytest.fixture(scope="package")
def bench(
    tmp_path_factory: pytest.TempPathFactory,
    parent_run: Path,
    english: tuple[str, ...],
    to_yoruba: Callable[[str], str],
    to_french: Callable[[str], str],
    write_tsv: Callable[[Path, Rows], Path],
) -> Bench:
    """Train 80 pairs, dev 12, test 6; other sentences as the child's own text and as rehearsal."""
    folder = tmp_path_factory.mktemp("methods-data")
    child = [(text, to_yoruba(text)) for text in english]
    parent = [(text, to_french(text)) for text in english]
    write_tsv(folder / "dev.yo.tsv", child[:12])
    write_tsv(folder / "test.yo.tsv", child[12:18])
    write_tsv(folder / "test.fr.tsv", parent[12:18])
    write_tsv(folder / "train.yo.tsv", child[20:100])
    write_tsv(folder / "train.fr.tsv", parent[20:100])
    write_tsv(folder / "rehearsal.fr.tsv", parent[100:160])
    write_tsv(folder / "yo.txt", [[there] for _, there in child[160:200]])
    write_tsv(folder / "en.txt", [[here] for here, _ in child[200:240]])
    return Bench(parent_run, folder)
