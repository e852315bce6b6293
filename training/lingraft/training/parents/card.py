"""The model card of a pretrained parent: what it is, what it saw, what it scores."""

from __future__ import annotations

from collections.abc import Sequence

from lingraft.training.data.licences import strictest
from lingraft.training.parents.find import ParentModel
from lingraft.training.parents.start import PastRun, training_told
from lingraft.training.recipe.recipes import PretrainRecipe

Scores = Sequence[dict[str, object]]


def parent_card(
    recipe: PretrainRecipe,
    runs: Sequence[PastRun],
    rows: Sequence[int],
    scores: Scores,
    licence: str,
) -> str:
    """Markdown of the card.

    Args:
        recipe: what was trained.
        runs: all that it was trained in, this one last.
        rows: examples of every data source, in the recipe's order.
        scores: dev scores as `pretrain` computes them.
        licence: of the weights.
    """
    lines = [
        f"# {recipe.display_name or recipe.name}",
        "",
        "A parent for grafts: small on purpose, so that a graft takes minutes on two cores. As a",
        "translator on its own it is weak; the scores below say how weak.",
        "",
        f"- Weights licence: {licence} (the strictest that follows from the data)",
        f"- Architecture: {_architecture(recipe)}; stored in fp16",
        f"- Tags and letters in the vocabulary: {', '.join(recipe.vocabulary.languages)}",
        f"- Training: {training_told(runs)}; batches of",
        f"  at most {recipe.training.batch_tokens} pieces of the longer side",
        "- Loads in Transformers as `MarianMTModel` and `MarianTokenizer`; the source begins with",
        "  the tag of the target language, `>>fra<<`",
        *(f"- Bad at: {each}" for each in recipe.weaknesses),
        "",
        "## Data",
        "",
        "| source | directions | rows | visits an epoch | licence |",
        "|---|---|---|---|---|",
        *_data(recipe, rows),
        "",
        "## Scores on dev, greedy, fp32",
        "",
        "| direction | test set | sentences | metric | score |",
        "|---|---|---|---|---|",
        *map(_row, scores),
        "",
        *(f"- `{signature}`" for signature in dict.fromkeys(s["signature"] for s in scores)),
    ]
    return "\n".join(lines) + "\n"


def parent_licence(recipe: PretrainRecipe, start: ParentModel | None) -> str:
    """The strictest licence that follows from the data, and from what it goes on from."""
    before = [start.licence] if start else []
    return strictest([recipe.licence, *before, *(source.licence for source in recipe.train)])


def _architecture(recipe: PretrainRecipe) -> str:
    shape = recipe.model
    return (
        f"Marian, {shape.encoder_layers}+{shape.decoder_layers} layers, width {shape.d_model}, "
        f"{shape.heads} heads, feed-forward {shape.ffn}, {shape.activation}, "
        f"{recipe.vocabulary.size} pieces"
    )


def _row(score: dict[str, object]) -> str:
    columns = ("direction", "test_set", "sentences", "name", "value")
    return f"| {' | '.join(str(score[column]) for column in columns)} |"


def _data(recipe: PretrainRecipe, rows: Sequence[int]) -> list[str]:
    return [
        f"| {s.name} | {s.source}-{s.target}{' and back' if s.both_directions else ''} | {n:,} | "
        f"{s.weight:g} | {s.licence} |"
        for s, n in zip(recipe.train, rows, strict=True)
    ]
