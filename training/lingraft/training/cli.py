"""`lingraft-train`: the table of contents of training."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from lingraft.training.arguments import parser
from lingraft.training.errors import RecipeError, TrainingError

if TYPE_CHECKING:
    from lingraft.training.recipe.recipes import Planned, Recipe

    _R = TypeVar("_R", bound=Recipe)


def main(argv: list[str] | None = None) -> int:
    """Run a command; errors are one message on standard error and exit status 1."""
    arguments = parser().parse_args(argv)
    try:
        _COMMANDS[arguments.command_name](arguments)
    except (TrainingError, OSError) as error:  # OSError: a full disk, a folder not to be written
        print(f"lingraft-train: {error}", file=sys.stderr)
        return 1
    except ModuleNotFoundError as error:
        needs = "pip install 'lingraft[training]'"
        print(f"lingraft-train: {error.name} is not installed; {needs} brings it", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("lingraft-train: stopped; the same command goes on from here", file=sys.stderr)
        return 130
    return 0


def _recipe(location: str, kind: type[_R], task: str) -> _R:
    """The recipe, if it is one for this command."""
    from lingraft.training.recipe.loading import load_recipe

    recipe = load_recipe(location)
    if not isinstance(recipe, kind):
        raise RecipeError(f'{location}: task is "{recipe.task}"; this command needs "{task}"')
    return recipe


def _pretrain(arguments: argparse.Namespace) -> None:
    from lingraft.training.recipe.recipes import PretrainRecipe

    recipe = _recipe(arguments.recipe, PretrainRecipe, "pretrain")
    output = arguments.output or Path("runs") / recipe.name
    if arguments.dry_run:
        _show_plan(recipe, output)
        return
    from lingraft.training.pretrain import pretrain  # slow to import: torch

    parent = pretrain(recipe, output, shuffle_targets=arguments.shuffle_targets)
    print(f"{parent.folder}: {parent.state.step} steps, dev chrF++ {parent.state.best_score:.2f}")


def _graft(arguments: argparse.Namespace) -> None:
    from lingraft.training.recipe.loading import load_recipe
    from lingraft.training.recipe.recipes import ClassifyRecipe, GraftRecipe

    recipe = load_recipe(arguments.recipe)
    if not isinstance(recipe, GraftRecipe | ClassifyRecipe):
        task = recipe.task
        raise RecipeError(f'{arguments.recipe}: task is "{task}"; use lingraft-train {task}')
    output = arguments.output or Path("runs") / recipe.name
    if arguments.dry_run:
        _show_plan(recipe, output)
        return
    from lingraft.training.pipeline import Options, run_arm, run_graft  # slow to import: torch
    from lingraft.training.report.report import as_markdown

    if arguments.arm:
        arm = run_arm(recipe, output, arguments.arm)
        told = ", ".join(f"{run.chosen.score:.2f}" for run in arm.runs)
        print(f"{output / arm.name}: trained; best dev scores {told}")
        return
    options = Options(arguments.accept_negative, examples=not arguments.no_examples)
    outcome = run_graft(recipe, output, options)
    print(as_markdown(outcome.report))
    print(f"bundle: {outcome.folder}")


def _assess(arguments: argparse.Namespace) -> None:
    from lingraft.training.recipe.recipes import AssessRecipe

    recipe = _recipe(arguments.recipe, AssessRecipe, "assess")
    from lingraft.training.export.card import figure
    from lingraft.training.pipeline import run_assess  # slow to import: torch
    from lingraft.training.stock.export import measured

    bundle, folder = run_assess(recipe, arguments.output or Path("runs") / recipe.name)
    for pair in bundle.pairs:
        told = "; ".join(map(figure, pair.metrics))
        print(f"{pair.source_language} to {pair.target_language}: {told}")
    for line in measured(bundle):
        print(line)
    print(f"bundle: {folder}")


def _identify(arguments: argparse.Namespace) -> None:
    from lingraft.training.recipe.recipes import IdentifyRecipe

    recipe = _recipe(arguments.recipe, IdentifyRecipe, "identify")
    from lingraft.training.pipeline import run_identify  # slow to import: torch

    outcome = run_identify(recipe, arguments.output or Path("runs") / recipe.name)
    found = outcome.report["accuracy"]
    print(f"right: {found['languages']:.2%} of known texts, mean over languages and test sets")
    if found["und"] is not None:
        print(f'right: {found["und"]:.2%} of texts in none of the languages, as "und"')
    print(f"bundle: {outcome.folder}")


def _show_plan(recipe: Planned, output: Path) -> None:
    from lingraft.training.planning.dry_run import plan  # slow to import: torch

    print("\n".join(plan(recipe, output).as_lines()))


def _rank_parents(arguments: argparse.Namespace) -> None:
    from lingraft.training.recipe.loading import load_recipe
    from lingraft.training.recipe.recipes import ClassifyRecipe, GraftRecipe

    recipe = load_recipe(arguments.recipe)
    if not isinstance(recipe, GraftRecipe | ClassifyRecipe):
        task = recipe.task
        raise RecipeError(f'{arguments.recipe}: task is "{task}"; a child is a graft or classify')
    steps = recipe.ranking.probe_steps if arguments.probe_steps is None else arguments.probe_steps
    if steps < 0:
        raise RecipeError(f"--probe-steps is {steps}; give 0 or more")
    candidates = arguments.parent or recipe.ranking.candidates
    settings = recipe.ranking.model_copy(update={"candidates": candidates, "probe_steps": steps})
    from lingraft.training.rank.command import command  # slow to import: torch

    output = arguments.output or Path("runs") / recipe.name / "ranking"
    command(recipe, settings, output, arguments.json)


def _export(arguments: argparse.Namespace) -> None:
    from lingraft.training.stock.export import StockExport, export_stock, measured  # slow: torch

    told = vars(arguments) | {"location": arguments.checkpoint}
    wanted = {field.name: told[field.name] for field in fields(StockExport)}
    bundle = export_stock(StockExport(**wanted))
    size = f"{len(bundle.pairs)} pairs" if bundle.pairs else f"{len(bundle.labels)} labels"
    print(f"bundle: {arguments.output} ({bundle.family}, {size})")
    for line in measured(bundle):
        print(line)


_COMMANDS: dict[str, Callable[[argparse.Namespace], None]] = {
    "pretrain": _pretrain,
    "graft": _graft,
    "assess": _assess,
    "identify": _identify,
    "rank-parents": _rank_parents,
    "export": _export,
}


if __name__ == "__main__":
    sys.exit(main())
