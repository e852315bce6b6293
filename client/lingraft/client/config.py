"""Every setting of the client, one line each.

A field `timeout_s` is the flag `--timeout-s` and the environment variable `LINGRAFT_TIMEOUT_S`; an
argument or a flag wins over the environment. Nothing reads the environment after a client is made.
"""

# ruff: noqa: E501 -- a setting is one line that says everything

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import grpc

from lingraft.client.errors import ArgumentError

ENV_PREFIX = "LINGRAFT_"
_TRUTH = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False, "": False}


def _setting(default: Any, why: str, low: float = -math.inf, high: float = math.inf) -> Any:
    return field(default=default, metadata={"why": why, "low": low, "high": high})


# fmt: off
@dataclass(frozen=True)
class ClientConfig:
    """How the server is reached. Sizes and times carry their unit in the name."""

    server: str = _setting("localhost:50051", "address of the server, HOST:PORT")
    timeout_s: float = _setting(60.0, "seconds one call may take, tries included; at most a week", low=0.001, high=604_800)
    attempts: int = _setting(3, "tries of one call while no server answers (UNAVAILABLE, nothing else); 1: no second try", low=1, high=5)
    tls: bool = _setting(False, "encrypt, and check the server's certificate against the system's authorities")
    ca_file: str = _setting("", "PEM file of the authorities to check against in place of the system's; implies tls")
    max_response_bytes: int = _setting(67_108_864, "bytes of one answer; a larger one is refused", low=1_024, high=2_147_483_647)

    def __post_init__(self) -> None:
        """Raises ArgumentError that names every wrong value."""
        faults = [_fault(each, each.name, getattr(self, each.name)) for each in fields(self)]
        if any(faults):
            raise ArgumentError("; ".join(filter(None, faults)))
# fmt: on


def load(given: Mapping[str, Any], environment: Mapping[str, str]) -> ClientConfig:
    """What is given (by field, None or missing: not given) over the environment over defaults.

    Raises ArgumentError that names every wrong value at once.
    """
    values, faults = {}, []
    for each in fields(ClientConfig):
        name, value = flag(each), given.get(each.name)
        if value is None:
            name = ENV_PREFIX + each.name.upper()
            value = environment.get(name) or None  # set to nothing is not set
        if value is not None:
            values[each.name], fault = _convert(each, name, value)
            faults += [fault] if fault else []
    if faults:
        raise ArgumentError("; ".join(faults))
    return ClientConfig(**values)


def settle(server: str | None, config: ClientConfig | None) -> ClientConfig:
    """The settings of a new client: `config`, else the environment; `server` wins over both."""
    if config is None:
        return load({"server": server}, os.environ)
    return config if server is None else replace(config, server=server)


def flag(setting: Field[Any]) -> str:
    """The flag of a setting: `timeout_s` is `--timeout-s`."""
    return "--" + setting.name.replace("_", "-")


def _convert(setting: Field[Any], name: str, value: Any) -> tuple[Any, str]:
    """The value in the setting's type, and what is wrong with it ("" for nothing)."""
    default: Any = setting.default
    kind = type(default)
    if kind is bool:
        known = _TRUTH.get(str(value).lower())
        return known, "" if known is not None else f"{name} must be 1 or 0, not {value!r}"
    try:
        converted = kind(value)
    except ValueError:
        return None, f"{name} must be a {'whole ' if kind is int else ''}number, not {value!r}"
    return converted, _fault(setting, name, converted)


def _fault(setting: Field[Any], name: str, value: Any) -> str:
    """What is wrong with a value of the right type ("" for nothing)."""
    low, high = setting.metadata["low"], setting.metadata["high"]
    if setting.name == "server":
        return _address_fault(name, value)
    if isinstance(value, str | bool) or (math.isfinite(value) and low <= value <= high):
        return ""
    upper = f" and at most {high}" if math.isfinite(high) else ""
    return f"{name} must be at least {low}{upper}, not {value}"


def _address_fault(name: str, address: str) -> str:
    if address.startswith(("dns:", "unix:", "ipv4:", "ipv6:")) and address.isprintable():
        return ""
    host, _, port = address.rpartition(":")
    host_fine = bool(host) and host.isprintable() and not set("/ ") & set(host)
    fine = host_fine and port.isdecimal() and 0 < int(port) < 65536
    return "" if fine else f"{name} must be HOST:PORT, not {address!a}"


def channel_options(config: ClientConfig) -> list[tuple[str, Any]]:
    """gRPC's options for a channel: the retry policy and the limit on answers."""
    retry = {
        "maxAttempts": config.attempts,
        "initialBackoff": "0.2s",
        "maxBackoff": "2s",
        "backoffMultiplier": 2,
        "retryableStatusCodes": ["UNAVAILABLE"],
    }
    # gRPC refuses a policy of fewer than two attempts.
    methods = [{"name": [{}], "retryPolicy": retry}] if config.attempts > 1 else []
    return [
        ("grpc.service_config", json.dumps({"methodConfig": methods})),
        ("grpc.max_receive_message_length", config.max_response_bytes),
        # gRPC's own 1 s to 120 s would make a second try useless, and a client that outlives its
        # server wait long for the next one.
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.max_reconnect_backoff_ms", 2_000),
    ]


def credentials(config: ClientConfig) -> grpc.ChannelCredentials | None:
    """What TLS needs; None for a plain connection. Raises ArgumentError for an unreadable file."""
    if config.ca_file:
        try:
            return grpc.ssl_channel_credentials(Path(config.ca_file).read_bytes())
        except OSError as error:
            raise ArgumentError(f"ca_file {config.ca_file!r}: {error.strerror}") from None
    return grpc.ssl_channel_credentials() if config.tls else None
