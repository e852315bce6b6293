"""Going on with a pretrained model: is it what the recipe says, and what has it seen already?"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypedDict

from lingraft.training.errors import ParentError
from lingraft.training.models.marian import load_model, shape_of
from lingraft.training.parents.find import PROVENANCE_FILE, ParentModel, find_parent
from lingraft.training.recipe.recipes import PretrainRecipe

_FREE = ("dropout",)  # a run may set it anew


class PastRun(TypedDict):
    """One run of `pretrain` behind a parent.

    start: SHA-256 of the weights that it began with; "" where they were drawn.
    """

    steps: int
    target_pieces: int
    seed: int
    start: str


def starting_point(recipe: PretrainRecipe) -> ParentModel | None:
    """The model that the run goes on from; None where it begins with random weights.

    Raises:
        ParentError: there is none, or it has other pieces or another shape than the recipe says;
            every difference is named.
    """
    if recipe.start is None:
        return None
    start = find_parent(recipe.start)
    if faults := list(_differences(recipe, start)):
        listed = "".join(f"\n  - {fault}" for fault in faults)
        raise ParentError(f"start = {recipe.start!r} is not what the recipe describes:{listed}")
    return start


def _differences(recipe: PretrainRecipe, start: ParentModel) -> Iterator[str]:
    if start.codec.pad + 1 != recipe.vocabulary.size:
        yield f"vocabulary.size is {recipe.vocabulary.size}; it has {start.codec.pad + 1} pieces"
    languages = recipe.vocabulary.languages
    if missing := [code for code in languages if not start.codec.has_language(code)]:
        yield f"vocabulary.languages: it has no tag for {', '.join(missing)}"
    wanted = recipe.model.model_dump()
    for name, value in shape_of(load_model(start.folder)).model_dump().items():
        if name not in _FREE and wanted[name] != value:
            yield f"model.{name} is {wanted[name]}; it has {value}"


def runs_of(folder: Path) -> list[PastRun]:
    """The runs that a model folder has behind it, the first one first; empty where it says none."""
    path = folder / PROVENANCE_FILE
    content = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return list(content.get("runs", []))


def training_told(runs: Sequence[PastRun]) -> str:
    """All runs in one sentence for the card."""
    told = [_told(run) for run in runs]
    if runs[0]["start"]:
        return f"from a model whose own runs are not told (SHA-256 {runs[0]['start']}): " + (
            "; then ".join(told)
        )
    if len(told) == 1:
        return told[0]
    steps = sum(run["steps"] for run in runs)
    pieces = sum(run["target_pieces"] for run in runs)
    total = f"{steps:,} steps, {pieces / 1e6:.1f} million target pieces in {len(runs)} runs"
    return f"{total} ({'; then '.join(told)})"


def _told(run: PastRun) -> str:
    pieces = run["target_pieces"] / 1e6
    return f"{run['steps']:,} steps, {pieces:.1f} million target pieces, seed {run['seed']}"
