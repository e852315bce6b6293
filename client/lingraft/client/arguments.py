"""The command line of `lingraft`: commands, flags and their help."""

from __future__ import annotations

import argparse
import functools
import importlib.metadata
from collections.abc import Sequence
from dataclasses import fields

from lingraft.client.config import ENV_PREFIX, ClientConfig, flag

_TEXTS = """\
Texts are the arguments; or the lines of a file; or else those of standard input, which must be
UTF-8. Line N of the output belongs to line N of the input: a blank line stays blank, and a text
that fails leaves an empty line and is reported on stderr.
"""
_END = (
    f"A flag of the connection is also a variable: --server is {ENV_PREFIX}SERVER. "
    "Exit code: 0 all answered, 1 the service or a text failed, 2 wrong command or input."
)
_HELP = functools.partial(argparse.HelpFormatter, max_help_position=32)

# Flag, field of `Decoding`, type and meaning. What is left out is the model's choice.
_DECODING = (
    ("--beam", "beam_size", int, "hypotheses kept at each step; 1 is greedy"),
    ("--alternatives", "alternative_count", int, "other translations, on the same line after tabs"),
    ("--length-penalty", "length_penalty", float, "more favours longer translations"),
    ("--repetition-penalty", "repetition_penalty", float, "above 1: against repetition"),
    ("--no-repeat-ngram", "no_repeat_ngram_size", int, "so many pieces in a row never come twice"),
    ("--max-tokens", "max_output_tokens", int, "most pieces of a sentence"),
    ("--min-tokens", "min_output_tokens", int, "least pieces of a sentence"),
    ("--max-length-ratio", "max_length_ratio", float, "most pieces for each of the source, + 10"),
    ("--prefix", "target_prefix", str, "text that the translation must begin with"),
    ("--temperature", "temperature", float, "above 0: draw at random, the more the wilder"),
    ("--top-k", "top_k", int, "draw among so many pieces"),
    ("--seed", "seed", int, "draw the same again"),
)
_DETAILS = (
    ("--sentences", "where each sentence stands, and how sure the model was; with --json"),
    ("--word-scores", "how sure the model was of each word; with --json"),
    ("--alignment", "which words stand for which; with --json"),
    ("--quality", "how likely it is acceptable, where that is calibrated; with --json"),
)


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The parsed command line; argparse ends it with SystemExit for help and for misuse."""
    return _parser().parse_args(list(arguments))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="lingraft",
        description="Asks a Lingraft server to translate, to classify, or to tell a language.",
        epilog=_END,
        formatter_class=_HELP,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"lingraft {_version()}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_translate(commands)
    _add_classify(commands)
    _add_detect(commands)
    _add(commands, "pairs", "list the language pairs, how good they are, and what transfer did")
    _add(commands, "models", "list the models")
    card = _add(commands, "card", "print the card of a model")
    card.add_argument(
        "model", metavar="MODEL", help="name of the model, as `lingraft models` has it"
    )
    health = _add(commands, "health", "say whether the server answers; exit code 1 if it does not")
    health.add_argument(
        "service", metavar="SERVICE", nargs="?", default="", help="service or model (default: all)"
    )
    return parser


def _add_translate(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = _add(commands, "translate", "translate texts", _TEXTS)
    parser.add_argument(
        "--to", required=True, metavar="LANGUAGE", help="target language: yo, en, ..."
    )
    parser.add_argument(
        "--from",
        dest="source",
        metavar="LANGUAGE",
        help="source language (default: the only one possible, or what the texts tell)",
    )
    parser.add_argument("--model", help="name of the model (default: the server chooses)")
    parser.add_argument(
        "--allow-pivot",
        action="store_true",
        help="go through a third language where no model has the pair",
    )
    _add_texts(parser)
    decoding = parser.add_argument_group("decoding", "What is left out is the model's choice.")
    for name, field, kind, why in _DECODING:
        metavar = {int: "N", float: "X", str: "TEXT"}[kind]
        decoding.add_argument(name, dest=field, type=kind, metavar=metavar, help=why)
    details = parser.add_argument_group("details")
    for name, why in _DETAILS:
        details.add_argument(name, action="store_true", help=why)


def _add_classify(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = _add(commands, "classify", "label texts", _TEXTS)
    parser.add_argument("--model", help="name of the model (default: the only classifier)")
    parser.add_argument("--language", help="language of the texts (default: unknown)")
    parser.add_argument(
        "--thresholds",
        metavar="NAME",
        help="set of thresholds that decides, like fpr-0.005 (default: the model's choice)",
    )
    parser.add_argument("--top", type=_positive, metavar="N", help="best N labels (default: all)")
    _add_texts(parser)


def _add_detect(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = _add(commands, "detect", "say which language texts are in", _TEXTS)
    parser.add_argument(
        "--candidates",
        type=_positive,
        default=1,
        metavar="N",
        help="best N languages, with their probabilities (default: 1)",
    )
    _add_texts(parser)


def _add_texts(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "texts", nargs="*", metavar="TEXT", help="a text; put -- before one with a dash"
    )
    parser.add_argument(
        "--file", metavar="FILE", help="read texts from its lines; - is standard input"
    )
    parser.add_argument(
        "--batch",
        type=_positive,
        metavar="N",
        help="texts of one call (default: 64, and 1 when standard input is a terminal)",
    )


def _add(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    summary: str,
    more: str = "",
) -> argparse.ArgumentParser:
    """A command with the flags that all have."""
    parser = commands.add_parser(
        name,
        help=summary,
        description=f"{summary[0].upper()}{summary[1:]}. {more}",
        epilog=_END,
        formatter_class=_HELP,
        allow_abbrev=False,
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    connection = parser.add_argument_group("connection")
    for setting in fields(ClientConfig):
        why = f"{setting.metadata['why']} (default: {setting.default or 'no'})"
        if isinstance(setting.default, bool):
            connection.add_argument(flag(setting), action="store_const", const="1", help=why)
        else:
            connection.add_argument(flag(setting), metavar="VALUE", help=why)
    return parser


def _positive(text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 1, not {text!r}")
    return number


def _version() -> str:
    try:
        return importlib.metadata.version("lingraft")
    except importlib.metadata.PackageNotFoundError:
        return "(not installed)"
