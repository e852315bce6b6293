"""`lingraft-train rank-parents`: recipe and candidates -> scores -> order -> JSON and table."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from lingraft.training.errors import DataError, ParentError, RecipeError
from lingraft.training.rank.child import Child, Example, child_key, load_child
from lingraft.training.rank.order import Order, Trial, as_table, order
from lingraft.training.rank.probe import readable
from lingraft.training.rank.score import (
    Candidate,
    Unfit,
    cheap_scores,
    comparable,
    open_parent,
    with_probe,
)
from lingraft.training.recipe.ranking import Ranking
from lingraft.training.recipe.recipes import ClassifyRecipe, GraftRecipe

RANKING_FILE = "ranking.json"


def rank_parents(recipe: GraftRecipe | ClassifyRecipe, settings: Ranking, output: Path) -> Order:
    """Order the candidates for the child of `recipe`; resumable, and nothing is scored twice.

    `output`/ranking.json has the order. A candidate that cannot be the parent stands last with the
    reason and stops nothing.

    Raises:
        RecipeError: no candidates.
        DataError: the child's data is faulty.
    """
    if not settings.candidates:
        raise RecipeError(
            "no candidates: give --parent LOCATION, once for each, or name them in the recipe as "
            "ranking.candidates"
        )
    child = load_child(recipe)
    candidates, unfit = _cheap(child, settings, output)
    candidates = comparable(candidates)
    trial = Trial("nats per text" if child.labels else "nats per character")
    if settings.probe_steps and candidates:
        dev = readable(child, [candidate.parent for candidate in candidates])
        if dev:
            candidates, failed = _probed(candidates, child, dev, settings, output)
            trial, unfit = replace(trial, dev_examples=len(dev)), unfit + failed
        else:
            note = "no probe: no dev example is short enough for every parent; raise max_tokens"
            trial = replace(trial, note=note)
    result = order(child_key(recipe), trial, candidates, unfit)
    output.mkdir(parents=True, exist_ok=True)
    write_json(result, output / RANKING_FILE)
    return result


def _cheap(child: Child, settings: Ranking, output: Path) -> tuple[list[Candidate], list[Unfit]]:
    fit: list[Candidate] = []
    unfit: list[Unfit] = []
    for location in dict.fromkeys(settings.candidates):
        _say(f"{location}: vocabulary, script, LogME")
        try:
            parent = open_parent(location, child)
            scores = cheap_scores(parent, child, settings, output)
            fit.append(Candidate(location, parent, scores))
        except ParentError as error:
            unfit.append(Unfit(location, _one_line(error)))
    return fit, unfit


def _probed(
    candidates: Sequence[Candidate],
    child: Child,
    dev: Sequence[Example],
    settings: Ranking,
    output: Path,
) -> tuple[list[Candidate], list[Unfit]]:
    fit: list[Candidate] = []
    unfit: list[Unfit] = []
    for candidate in candidates:
        _say(f"{candidate.location}: probe of {settings.probe_steps} steps")
        try:
            fit.append(with_probe(candidate, child, dev, settings, output))
        except (ParentError, DataError) as error:
            unfit.append(Unfit(candidate.location, _one_line(error)))
    return fit, unfit


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def write_json(result: Order, path: Path) -> None:
    """Write the order as JSON."""
    text = json.dumps(result.as_dict(), ensure_ascii=False, indent=1) + "\n"
    fresh = path.with_name(path.name + ".new")
    fresh.write_text(text, encoding="utf-8")
    fresh.rename(path)


def command(
    recipe: GraftRecipe | ClassifyRecipe, settings: Ranking, output: Path, file: Path | None
) -> None:
    """The command's body: rank, write `file`, print the table."""
    result = rank_parents(recipe, settings, output)
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_json(result, file)
    print(as_table(result))
