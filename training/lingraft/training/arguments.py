"""What `lingraft-train` can be asked, and how."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def parser() -> argparse.ArgumentParser:
    """The parser of `lingraft-train`; `command_name` is what was asked for."""
    made = argparse.ArgumentParser(
        prog="lingraft-train", description="From recipes to models, and what they are worth."
    )
    commands = made.add_subparsers(required=True, metavar="COMMAND", dest="command_name")
    _add_pretrain(commands)
    _add_graft(commands)
    _add_assess(commands)
    _add_identify(commands)
    _add_rank_parents(commands)
    _add_export(commands)
    return made


def _add_pretrain(commands: Any) -> None:
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


def _add_graft(commands: Any) -> None:
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


def _add_assess(commands: Any) -> None:
    assess = commands.add_parser(
        "assess", help="measure a translator as it stands, calibrate it and export it"
    )
    assess.add_argument(
        "recipe", metavar="RECIPE", help="path of a recipe, or a shipped one's name"
    )
    assess.add_argument("--output", type=Path, help="folder of the run (default: runs/NAME)")


def _add_identify(commands: Any) -> None:
    identify = commands.add_parser(
        "identify", help="train a language identifier, measure it and export it"
    )
    identify.add_argument(
        "recipe", metavar="RECIPE", help="path of a recipe, or a shipped one's name"
    )
    identify.add_argument("--output", type=Path, help="folder of the run (default: runs/NAME)")


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


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())
