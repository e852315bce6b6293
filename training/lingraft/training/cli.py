"""`lingraft-train`: the table of contents of training."""

from __future__ import annotations

import argparse
import sys
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from lingraft.training.errors import RecipeError, TrainingError

if TYPE_CHECKING:
    from lingraft.training.recipe.recipes import Planned, Recipe

    _R = TypeVar("_R", bound=Recipe)


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
    pretrain = commands.add_parser(
        "pretrain", help="train a parent, from nothing or on from an earlier one"
    )
    pretrain.add_argument(
        "recipe", metavar="RECIPE", help="path of a recipe, or a shipped one's name"
    )
    pretrain.add_argument("--output", type=Path, help="folder of the run (default: runs/NAME)")
    pretrain.add_argument(
        "--shuffle-targets",
        action="store_true",
        help="give every source another's target: a control that has seen the text and learnt "
        "no translation",
    )
    _add_dry_run(pretrain)
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
    graft.add_argument(
        "--arm",
        metavar="NAME",
        help="train this arm alone (graft, scratch, ...) and stop: another process may train "
        "another meanwhile, and the command without --arm takes them as they stand",
    )
    _add_dry_run(graft)
    graft.set_defaults(command=_graft)
    _add_assess(commands)
    _add_identify(commands)
    _add_rank_parents(commands)
    _add_export(commands)
    return parser


def _add_assess(commands: Any) -> None:
    assess = commands.add_parser(
        "assess", help="measure a translator as it stands, calibrate it and export it"
    )
    assess.add_argument(
        "recipe", metavar="RECIPE", help="path of a recipe, or a shipped one's name"
    )
    assess.add_argument("--output", type=Path, help="folder of the run (default: runs/NAME)")
    assess.set_defaults(command=_assess)


def _add_identify(commands: Any) -> None:
    identify = commands.add_parser(
        "identify", help="train a language identifier, measure it and export it"
    )
    identify.add_argument(
        "recipe", metavar="RECIPE", help="path of a recipe, or a shipped one's name"
    )
    identify.add_argument("--output", type=Path, help="folder of the run (default: runs/NAME)")
    identify.set_defaults(command=_identify)


def _add_dry_run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="print the plan, sizes and an estimate of the time; train nothing",
    )


def _add_rank_parents(commands: Any) -> None:
    rank = commands.add_parser(
        "rank-parents", help="order candidate parents for the child of a graft or classify recipe"
    )
    rank.add_argument("recipe", metavar="RECIPE", help="path of a recipe, or a shipped one's name")
    rank.add_argument(
        "--parent",
        action="append",
        default=[],
        metavar="LOCATION",
        help="a candidate: a model folder, an embedded starter or a hub id; once for each "
        "(default: the recipe's)",
    )
    rank.add_argument("--json", type=Path, metavar="FILE", help="write the ranking there as well")
    rank.add_argument(
        "--probe-steps",
        type=int,
        metavar="N",
        help="steps of fine-tuning that candidates are compared by; 0: none (default: the "
        "recipe's, which is 200 unless it says otherwise)",
    )
    rank.add_argument(
        "--output", type=Path, help="folder of what is kept (default: runs/NAME/ranking)"
    )
    rank.set_defaults(command=_rank_parents)


def _add_export(commands: Any) -> None:
    export = commands.add_parser(
        "export", help="make a bundle of a translator or classifier in Transformers' format"
    )
    export.add_argument(
        "checkpoint", metavar="CHECKPOINT", help="its folder, or a hub id OWNER/NAME"
    )
    export.add_argument("-o", "--output", type=Path, required=True, help="folder of the bundle")
    export.add_argument("--name", default="", help="name of the bundle (default: the checkpoint's)")
    export.add_argument("--version", default="1", help="version of the bundle (default: 1)")
    export.add_argument(
        "--pairs",
        type=_listed,
        default=(),
        metavar="en-yo,yo-en",
        help="directions, BCP-47; a colon parts codes with hyphens, en:zh-Hant "
        "(default: all that the tokenizer names)",
    )
    export.add_argument(
        "--prefix", default="", help="text before every source of the pair (default: T5's own)"
    )
    export.add_argument(
        "--precisions",
        type=_listed,
        default=("fp32", "int8"),
        help="graphs of the bundle, the server's default first (default: fp32,int8)",
    )
    export.add_argument(
        "--dev",
        type=Path,
        metavar="FILE",
        help="lines to compare and measure on, of the first pair's source or of a classifier's "
        "texts, reference or label after a tab or none (default: random pieces)",
    )
    export.add_argument("--licence", default="not stated", help="licence of the weights")
    export.add_argument(
        "--source-name", default="not stated", help="name of what it was trained on"
    )
    export.set_defaults(command=_export)


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


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


if __name__ == "__main__":
    sys.exit(main())
