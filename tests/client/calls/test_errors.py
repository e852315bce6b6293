"""What a caller sees when a call fails."""

from __future__ import annotations

from typing import Any

import grpc
import pytest

from lingraft.client import (
    ArgumentError,
    Client,
    ClientConfig,
    ClientError,
    DeadlineError,
    ExhaustedError,
    LanguageRequiredError,
    LanguageUnsupportedError,
    ModelNotFoundError,
    OptionUnsupportedError,
    QueueFullError,
    ServerFaultError,
    ServiceError,
    TooManyTextsError,
    UnavailableError,
    UnimplementedError,
    Violation,
    errors,
)


@pytest.mark.parametrize(
    ("target", "kind", "reason"),
    [
        ("xx", LanguageUnsupportedError, "LANGUAGE_UNSUPPORTED"),
        ("two", LanguageRequiredError, "LANGUAGE_REQUIRED"),
        ("many", TooManyTextsError, "TOO_MANY_TEXTS"),
        ("beam", OptionUnsupportedError, "OPTION_UNSUPPORTED"),
        ("full", QueueFullError, "QUEUE_FULL"),
        ("broken", ServerFaultError, "INTERNAL"),
        ("drain", UnavailableError, "SHUTTING_DOWN"),
    ],
)
def test_a_refused_call_raises_the_error_of_its_reason(
    ask: Any, target: str, kind: type[ServiceError], reason: str
) -> None:
    """Status and reason choose the class; words and metadata arrive."""
    with pytest.raises(ServiceError) as caught:
        ask(lambda c: c.translate(["one"], target))
    assert (type(caught.value), caught.value.reason) == (kind, reason)
    assert caught.value.metadata == {"limit": "7"}


def test_an_unknown_model_is_named(ask: Any) -> None:
    """The message says which model is not there."""
    with pytest.raises(ModelNotFoundError, match="models/none"):
        ask(lambda c: c.translate("one", "yo", model="none"))


def test_every_faulty_field_is_carried(client: Client) -> None:
    """All violations arrive at once."""
    with pytest.raises(OptionUnsupportedError) as caught:
        client.translate("one", "beam")
    assert caught.value.violations == (
        Violation("decoding.beam_size", "is 9"),
        Violation("decoding.seed", "is 4"),
    )


def test_a_full_queue_says_when_to_come_back(client: Client) -> None:
    """The server's delay arrives in seconds; other errors have none."""
    with pytest.raises(QueueFullError) as caught:
        client.translate("one", "full")
    assert caught.value.retry_delay_s == 0.25
    with pytest.raises(LanguageUnsupportedError) as other:
        client.translate("one", "xx")
    assert other.value.retry_delay_s is None


def test_a_call_ends_at_its_deadline(ask: Any) -> None:
    """An answer that does not come in time is an error that says how long was waited, and where."""
    with pytest.raises(DeadlineError, match=r"127\.0\.0\.1:\d+ within 0\.2 s") as caught:
        ask(lambda c: c.translate("one", "slow", timeout=0.2))
    assert caught.value.code is grpc.StatusCode.DEADLINE_EXCEEDED


def test_a_missing_server_is_named_with_the_mend(nobody: str) -> None:
    """The address and what to do stand in the message."""
    with Client(nobody) as client, pytest.raises(UnavailableError) as caught:
        client.translate("one", "yo")
    assert f"no server answers at {nobody}" in str(caught.value)
    assert "lingraft-server BUNDLE_FOLDER" in str(caught.value)
    assert "LINGRAFT_SERVER" in str(caught.value)


def test_a_server_that_is_back_soon_is_asked_again(ask: Any, fake: Any) -> None:
    """Two UNAVAILABLE answers are retried, and the third try succeeds."""
    assert ask(lambda c: c.translate("one", "flaky")).text == "flaky: one"
    assert len(fake.requests) == 3


@pytest.mark.parametrize("target", ["full", "broken", "xx"])
def test_nothing_but_unavailable_is_asked_again(client: Client, fake: Any, target: str) -> None:
    """A full queue, a fault and a wrong request are sent once."""
    with pytest.raises(ServiceError):
        client.translate("one", target)
    assert len(fake.requests) == 1


def test_one_attempt_means_no_second_try(fake: Any) -> None:
    """Retrying can be turned off."""
    config = ClientConfig(server=fake.address, attempts=1)
    with Client(config=config) as client, pytest.raises(UnavailableError):
        client.translate("one", "flaky")
    assert len(fake.requests) == 1


def test_another_server_is_told_from_a_lingraft_server(stranger: str) -> None:
    """A gRPC server that does not have the call is named, with the likely reason."""
    with Client(stranger) as client, pytest.raises(UnimplementedError) as caught:
        client.translate("one", "yo")
    assert f"the server at {stranger} does not know this call" in str(caught.value)


def test_an_answer_over_the_limit_is_refused(fake: Any) -> None:
    """An answer larger than `max_response_bytes` is an error, not a lost channel."""
    config = ClientConfig(server=fake.address, max_response_bytes=1_024)
    with Client(config=config) as client:
        with pytest.raises(ExhaustedError, match="larger than"):
            client.translate("word " * 1_000, "yo")
        assert client.translate("word", "yo").text == "yo: word"


def test_details_that_cannot_be_read_do_no_harm(ask: Any) -> None:
    """The plain code and words are used where the details are garbage."""
    with pytest.raises(ServerFaultError, match="plain words"):
        ask(lambda c: c.translate("one", "garbage"))


def test_bytes_that_are_no_text_are_named(ask: Any, fake: Any) -> None:
    """What UTF-8 cannot hold is refused before anything is sent, with its place."""
    with pytest.raises(ArgumentError, match="text 2: not Unicode"):
        ask(lambda c: c.translate(["one", "\udcff"], "yo"))
    with pytest.raises(ArgumentError, match="target_language"):
        ask(lambda c: c.translate(["one"], "\udcff"))
    assert fake.requests == []


def test_every_error_is_a_client_error() -> None:
    """One `except ClientError` catches all, and every row of the table is a ServiceError."""
    assert issubclass(ArgumentError, ClientError)
    assert issubclass(ServiceError, ClientError)
    assert all(issubclass(kind, ServiceError) for kind in errors.ERRORS.values())


def test_no_rpc_error_is_chained(ask: Any) -> None:
    """A printed error shows one sentence, not gRPC's own report above it."""
    with pytest.raises(ServiceError) as caught:
        ask(lambda c: c.translate("one", "xx"))
    assert caught.value.__suppress_context__
