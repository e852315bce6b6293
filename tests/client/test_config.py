"""The settings of the client."""

from __future__ import annotations

from pathlib import Path

import pytest

from lingraft.client import ArgumentError, ClientConfig
from lingraft.client.config import channel_options, credentials, load


def test_arguments_win_over_the_environment_over_defaults() -> None:
    """Each setting is taken from the first place that has it; an empty variable is none."""
    environment = {"LINGRAFT_SERVER": "a:1", "LINGRAFT_TIMEOUT_S": "2.5", "LINGRAFT_TLS": ""}
    config = load({"server": "b:2", "timeout_s": None}, environment)
    assert config == ClientConfig(server="b:2", timeout_s=2.5)


def test_every_wrong_value_is_named_at_once() -> None:
    """Flags and variables are named as the user wrote them."""
    environment = {"LINGRAFT_TLS": "maybe", "LINGRAFT_ATTEMPTS": "1.5"}
    with pytest.raises(ArgumentError) as caught:
        load({"timeout_s": "nan", "max_response_bytes": "1"}, environment)
    for words in (
        "LINGRAFT_TLS must be 1 or 0, not 'maybe'",
        "LINGRAFT_ATTEMPTS must be a whole number, not '1.5'",
        "--timeout-s must be at least 0.001 and at most 604800, not nan",
        "--max-response-bytes must be at least 1024 and at most 2147483647, not 1",
    ):
        assert words in str(caught.value)


@pytest.mark.parametrize(
    "address", ["localhost:50051", "[::1]:1", "10.0.0.1:65535", "dns:///a:1", "unix:/tmp/s"]
)
def test_an_address_is_accepted(address: str) -> None:
    """HOST:PORT and gRPC's own schemes."""
    assert ClientConfig(server=address).server == address


@pytest.mark.parametrize(
    "address",
    ["", "localhost", "localhost:", ":1", "a:0", "a:65536", "http://a:1", "a b:1", "\ud800:1"],
)
def test_a_wrong_address_is_refused(address: str) -> None:
    """What gRPC would take for something else is refused before a call."""
    with pytest.raises(ArgumentError, match="server must be HOST:PORT"):
        ClientConfig(server=address)


def test_a_missing_authority_is_named() -> None:
    """A certificate file that is not there is the user's mistake."""
    with pytest.raises(ArgumentError, match="/no/such/file"):
        credentials(ClientConfig(ca_file="/no/such/file"))


def test_a_connection_is_plain_unless_tls_is_asked_for(tmp_path: Path) -> None:
    """tls, or a file of authorities, encrypts."""
    authorities = tmp_path / "ca.pem"
    authorities.write_bytes(b"")
    assert credentials(ClientConfig()) is None
    assert credentials(ClientConfig(tls=True)) is not None
    assert credentials(ClientConfig(ca_file=str(authorities))) is not None


def test_only_unavailable_is_retried() -> None:
    """The policy given to gRPC names one status code."""
    options = dict(channel_options(ClientConfig(attempts=2)))
    assert '"retryableStatusCodes": ["UNAVAILABLE"]' in options["grpc.service_config"]
    assert '"maxAttempts": 2' in options["grpc.service_config"]
