"""`lingraft-train`: the table of contents of training."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from lingraft.training.errors import RecipeError, TrainingError


def main(argv: list[str] | None = None) -> int:
    """Run a command; errors are one message on standard error and exit status 1."""
    arguments = _parser().parse_args(argv)
    try:
        arguments.command(arguments)
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


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="lingraft-train", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    pretrain = commands.add_parser("pretrain", help="train a parent from nothing")
    pretrain.add_argument(
        "recipe", metavar="RECIPE", help="path of a recipe, or a shipped one's name"
    )
    pretrain.add_argument("--output", type=Path, help="folder of the run (default: runs/NAME)")
    pretrain.set_defaults(command=_pretrain)
    graft = commands.add_parser(
        "graft", help="graft a language or a classifier onto a parent, prove and export it"
    )
    graft.add_argument("recipe", metavar="RECIPE", help="path of a recipe, or a shipped one's name")
    graft.add_argument("--output", type=Path, help="folder of the run (default: runs/NAME)")
    graft.add_argument(
        "--accept-negative",
        metavar="REASON",
        default="",
        help="export a refused graft all the same; the reason stands in its card",
    )
    graft.add_argument(
        "--no-examples", action="store_true", help="leave sentences of the test set out of reports"
    )
    graft.set_defaults(command=_graft)
    return parser


def _pretrain(arguments: argparse.Namespace) -> None:
    from lingraft.training.recipe import PretrainRecipe, load_recipe

    recipe = load_recipe(arguments.recipe)
    if not isinstance(recipe, PretrainRecipe):
        raise RecipeError(
            f'{arguments.recipe}: task is "{recipe.task}"; this command needs "pretrain"'
        )
    from lingraft.training.pretrain import pretrain  # slow to import: torch

    parent = pretrain(recipe, arguments.output or Path("runs") / recipe.name)
    print(f"{parent.folder}: {parent.state.step} steps, dev chrF++ {parent.state.best_score:.2f}")


def _graft(arguments: argparse.Namespace) -> None:
    from lingraft.training.recipe import PretrainRecipe, load_recipe

    recipe = load_recipe(arguments.recipe)
    if isinstance(recipe, PretrainRecipe):
        raise RecipeError(f'{arguments.recipe}: task is "pretrain"; use lingraft-train pretrain')
    from lingraft.training.pipeline import Options, run_graft  # slow to import: torch
    from lingraft.training.report import as_markdown

    options = Options(arguments.accept_negative, examples=not arguments.no_examples)
    outcome = run_graft(recipe, arguments.output or Path("runs") / recipe.name, options)
    print(as_markdown(outcome.report))
    print(f"bundle: {outcome.folder}")


if __name__ == "__main__":
    sys.exit(main())
