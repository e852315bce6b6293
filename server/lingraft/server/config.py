"""Every setting of the server, one line each.

A field `max_rows` is the flag `--max-rows` and the environment variable `LINGRAFT_MAX_ROWS`; the
flag wins. The folders of the bundles are the positional arguments, or `LINGRAFT_BUNDLES` with the
system's path separator between them. Nothing reads the environment after `load`.
"""

# ruff: noqa: E501 -- a setting is one line that says everything

from __future__ import annotations

import argparse
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from typing import Any, NoReturn

from lingraft.server.errors import ConfigError

ENV_PREFIX = "LINGRAFT_"


def _setting(
    default: Any, why: str, low: float = -math.inf, high: float = math.inf, one_of: str = ""
) -> Any:
    rules = {
        "kind": type(default),
        "why": why,
        "low": low,
        "high": high,
        "one_of": tuple(one_of.split()),
    }
    return field(default=default, metadata=rules)


# fmt: off
@dataclass(frozen=True)
class ServerConfig:
    """What a server runs with. Sizes and times carry their unit in the name."""

    bundles: tuple[Path, ...]
    host: str = _setting("127.0.0.1", "address to listen on; 0.0.0.0 for every interface")
    port: int = _setting(50051, "TCP port; 0 takes a free one", low=0, high=65535)
    provider: str = _setting("cpu", "device that runs the graphs: cpu or cuda", one_of="cpu cuda")
    precision: str = _setting("auto", "graphs to run; default: the first of each bundle; auto: the first that the CPU runs, on cuda fp16", one_of="auto default fp32 int8 int4 fp16")
    kernels: str = _setting("auto", "auto: the server's own operators for int8 graphs where they are built and the processor has AVX2; standard: ONNX Runtime's everywhere", one_of="auto standard")
    isolation: str = _setting("process", "where each model runs: process, one of its own, so that it never waits for the server's Python nor takes the server with it; thread, within the server's, which saves 60 MiB a model, and a context of its own on a GPU. Models of language identification are always in a thread", one_of="process thread")
    threads: int = _setting(0, "threads of one model's graphs; 0: as many as there are cores", low=0)
    max_rows: int = _setting(32, "rows decoded together by one model: a sentence takes as many as its beam is wide; a quarter is kept for interactive work", low=1)
    max_batch_tokens: int = _setting(32_768, "ceiling of rows times longest row in one batch, source and target pieces; less saves memory", low=1)
    max_cache_mib: int = _setting(2_048, "MiB that the caches of one model's running sentences may take; what alone would need more is refused", low=1)
    encode_ms: float = _setting(20.0, "milliseconds of encoding newcomers between two decoder steps; less makes running sentences smoother, more lets bursts in sooner", low=0.0)
    classify_tokens: int = _setting(384, "ceiling of rows times longest document in one batch of a classifier; more for many threads or a GPU", low=1)
    max_queued_rows: int = _setting(2_048, "sentences that may wait for one model before callers are told to come back", low=1)
    max_texts: int = _setting(1_024, "texts in one request", low=1)
    max_sentences: int = _setting(16_384, "sentences of one call, parts of long ones included; each costs memory before a queue can refuse it", low=1)
    max_text_characters: int = _setting(20_000, "code points of one text", low=1)
    max_message_bytes: int = _setting(4_194_304, "bytes of one request or answer; raise it for bulk callers", low=1_024, high=2_147_483_647)
    default_deadline_s: float = _setting(300.0, "seconds a call may take when the caller sets no deadline", low=0.001)
    retry_after_s: float = _setting(1.0, "seconds after which a caller refused by a full queue should try again", low=0.0)
    grace_s: float = _setting(20.0, "seconds that running calls get to finish after SIGTERM", low=0.0)
    log_level: str = _setting("info", "least level that is logged", one_of="debug info warning error")
    log_format: str = _setting("plain", "plain lines for people, json lines for machines", one_of="plain json")
# fmt: on


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ConfigError(f"{message}; see lingraft-server --help")


def load(arguments: Sequence[str], environment: Mapping[str, str]) -> ServerConfig:
    """Flags over environment over defaults.

    Raises ConfigError that names every unknown flag and every wrong value at once.
    """
    known, unknown = _parser().parse_known_args(list(arguments))
    faults = [f"{name} is not a flag" for name in unknown]
    bundles = tuple(known.bundles) or _env_bundles(environment)
    if not bundles:
        faults.append("no bundle folder is named (LINGRAFT_BUNDLES is empty too)")
    values = {}
    for setting in _settings():
        name, text = _raw(setting, known, environment)
        if text is not None:
            value, fault = _convert(setting, name, text)
            values[setting.name] = value
            faults += [fault] if fault else []
    if faults:
        raise ConfigError(f"{'; '.join(faults)}; see lingraft-server --help")
    return ServerConfig(bundles=bundles, **values)


def _settings() -> list[Field[Any]]:
    return [each for each in fields(ServerConfig) if each.name != "bundles"]


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="lingraft-server",
        description="Serves translation and classification bundles over gRPC.",
        epilog="Every flag is also an environment variable: --max-rows is LINGRAFT_MAX_ROWS.",
        allow_abbrev=False,
    )
    parser.add_argument("bundles", nargs="*", type=Path, metavar="BUNDLE_FOLDER")
    for setting in _settings():
        why = f"{setting.metadata['why']} (default: {setting.default})"
        parser.add_argument(_flag(setting), metavar="VALUE", help=why)
    return parser


def _flag(setting: Field[Any]) -> str:
    return "--" + setting.name.replace("_", "-")


def _env_bundles(environment: Mapping[str, str]) -> tuple[Path, ...]:
    listed = environment.get(ENV_PREFIX + "BUNDLES", "").split(os.pathsep)
    return tuple(Path(each) for each in listed if each)


def _raw(
    setting: Field[Any], known: argparse.Namespace, environment: Mapping[str, str]
) -> tuple[str, str | None]:
    """Where the value was said, and the value."""
    flag: str | None = getattr(known, setting.name)
    if flag is not None:
        return _flag(setting), flag
    variable = ENV_PREFIX + setting.name.upper()
    return variable, environment.get(variable)


def _convert(setting: Field[Any], name: str, text: str) -> tuple[Any, str]:
    """The value, and what is wrong with it ("" for nothing)."""
    kind: type[str] | type[int] | type[float] = setting.metadata["kind"]
    try:
        value = kind(text)
    except ValueError:
        noun = "a whole number" if kind is int else "a number"
        return None, f"{name} must be {noun}, not {text!r}"
    return value, _fault(setting, name, value)


def _fault(setting: Field[Any], name: str, value: Any) -> str:
    rules = setting.metadata
    if isinstance(value, str):
        wrong = bool(rules["one_of"]) and value not in rules["one_of"]
        return f"{name} must be one of {', '.join(rules['one_of'])}, not {value!r}" if wrong else ""
    if math.isfinite(value) and rules["low"] <= value <= rules["high"]:
        return ""
    upper = f" and at most {rules['high']}" if math.isfinite(rules["high"]) else ""
    return f"{name} must be at least {rules['low']}{upper}, not {value}"
