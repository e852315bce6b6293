"""The methods of both clients, over the wire."""

from __future__ import annotations

import asyncio
import dataclasses
import inspect
from collections.abc import Callable
from typing import Any

import pytest

from lingraft.client import (
    AlignmentLink,
    ArgumentError,
    AsyncClient,
    Client,
    ClientConfig,
    Decoding,
    Details,
    EmptyTextError,
    LanguageCandidate,
    LanguageDetection,
    NotFoundError,
    Quality,
    Sentence,
    ServerFaultError,
    ServiceError,
    Span,
    Translation,
    WordScore,
)


def facts(result: Any) -> Any:
    """A result as plain values, so that errors compare too."""
    if isinstance(result, tuple):
        return tuple(map(facts, result))
    return (type(result), vars(result)) if isinstance(result, ServiceError) else result


def test_one_text_gives_one_translation(ask: Any) -> None:
    """A text alone is answered alone, with the model, the status and the inferred language."""
    assert ask(lambda c: c.translate("Good morning", "yo")) == Translation(
        text="yo: Good morning",
        model="models/tiny/versions/1",
        pair_status="TRANSFER",
        detected_language="en",
        warnings=(),
        pivot_language=None,
        detected_language_confidence=0.5,
    )


def test_many_texts_keep_their_order(ask: Any) -> None:
    """Answer N belongs to text N."""
    texts = [f"text {number}" for number in range(50)]
    answers = ask(lambda c: c.translate(texts, "yo"))
    assert [answer.text for answer in answers] == [f"yo: {text}" for text in texts]


def test_a_failing_text_leaves_the_others_answered(ask: Any) -> None:
    """One bad text is an error in its place; its neighbours are translations."""
    first, second, third = ask(lambda c: c.translate(["one", " ", "three"], "yo"))
    assert (first.text, third.text) == ("yo: one", "yo: three")
    assert isinstance(second, EmptyTextError)
    assert (second.reason, second.metadata) == ("EMPTY_TEXT", {"limit": "7"})


def test_the_error_of_a_single_text_is_raised(ask: Any) -> None:
    """A text alone that fails raises its error."""
    with pytest.raises(EmptyTextError, match="the text is empty"):
        ask(lambda c: c.translate("", "yo"))


def test_no_answer_and_no_error_is_a_fault_of_the_server(ask: Any) -> None:
    """A result with nothing in it is not taken for a translation."""
    with pytest.raises(ServerFaultError, match="neither an answer nor an error"):
        ask(lambda c: c.translate("unset", "yo"))


def test_too_few_answers_are_a_fault_of_the_server(ask: Any) -> None:
    """Answers are never shifted against their texts."""
    with pytest.raises(ServerFaultError, match="1 results for 2 texts"):
        ask(lambda c: c.translate(["one", "two"], "short"))


def test_arguments_reach_the_server(client: Client, fake: Any) -> None:
    """What is asked is what is sent; a short model name is made whole; None sends nothing."""
    client.translate(["one"], "yo", "en", "tiny", decoding=Decoding(beam_size=4, top_k=0))
    client.translate(["one"], "yo")
    full, bare = fake.requests
    assert (full.source_language, full.target_language, full.model) == ("en", "yo", "models/tiny")
    assert [field.name for field, _ in full.decoding.ListFields()] == ["beam_size", "top_k"]
    assert [field.name for field, _ in bare.ListFields()] == ["contents", "target_language"]


def test_leave_to_pivot_reaches_the_server(ask: Any, fake: Any) -> None:
    """Only where it was given."""
    for leave in (False, True):
        ask(lambda c, leave=leave: c.translate("one", "yo", allow_pivot=leave))
        assert fake.requests[-1].allow_pivot is leave


def test_the_wanted_thresholds_reach_the_server(ask: Any, fake: Any) -> None:
    """None are the model's own."""
    for name in (None, "fpr-0.005"):
        ask(lambda c, name=name: c.classify("one", thresholds=name))
        assert fake.requests[-1].threshold_profile == (name or "")


def test_details_reach_the_server_and_come_back(ask: Any, fake: Any) -> None:
    """Alternatives, words and links arrive as they were sent."""
    details = Details(word_scores=True, alignment=True, quality=True)
    decoding = Decoding(beam_size=3, alternative_count=2, min_output_tokens=4)
    answer = ask(lambda c: c.translate("one", "many-ways", decoding=decoding, details=details))
    assert [each.text for each in answer.alternatives] == ["two", "three"]
    span = Span(0, 3)
    assert answer.sentences == (
        Sentence(
            source_span=span,
            target_span=span,
            mean_logprob=-0.25,
            words=(WordScore(span, -0.5),),
            alignment=(AlignmentLink(span, span, 0.75),),
            quality=Quality(None, False, -0.25, 0.0, 0, 0.0),
        ),
    )
    assert answer.quality == Quality(0.75, True, -0.5, 40.0, 120, 0.03125)
    request = fake.requests[0]
    wanted = [field.name for field, _ in request.response_options.ListFields()]
    assert wanted == ["word_scores", "alignment", "quality"]
    assert request.decoding.min_output_tokens == 4


def test_a_prefix_that_is_no_unicode_is_not_sent(client: Client) -> None:
    """It is named before anything goes out."""
    with pytest.raises(ArgumentError, match="target_prefix: not Unicode"):
        client.translate("one", "yo", decoding=Decoding(target_prefix="\udcff"))


def test_warnings_are_named(client: Client) -> None:
    """A warning of the server arrives by name."""
    assert client.translate("long", "yo").warnings == ("TRUNCATED",)


def test_labels_come_with_their_evidence(ask: Any) -> None:
    """A classified text has labels best first and says whether they are calibrated."""
    answer, error = ask(lambda c: c.classify(["Win money now", ""], language="en"))
    assert [(label.name, label.score) for label in answer.labels] == [("spam", 0.75), ("ham", 0.25)]
    assert (answer.decision, answer.calibration.calibrated) == ("ACCEPT", True)
    assert isinstance(error, EmptyTextError)


def test_top_k_reaches_the_server(client: Client, fake: Any) -> None:
    """The number of labels is asked for."""
    client.classify("Win money now", "tiny", top_k=1)
    assert (fake.requests[0].top_k, fake.requests[0].model) == (1, "models/tiny")


def test_languages_come_best_first(ask: Any) -> None:
    """Candidates with their probabilities, the best by name; an error in the place of its text."""
    answer, error = ask(lambda c: c.detect(["Ẹ kú", ""], max_candidates=2))
    assert answer == LanguageDetection(
        (LanguageCandidate("yo", 0.75), LanguageCandidate("haw", 0.25))
    )
    assert (answer.language, answer.confidence) == ("yo", 0.75)
    assert isinstance(error, EmptyTextError)


def test_one_text_has_one_language_unless_more_are_wanted(ask: Any) -> None:
    """A text alone is answered alone, or raises its error."""
    assert ask(lambda c: c.detect("Ẹ kú")).candidates == (LanguageCandidate("yo", 0.75),)
    with pytest.raises(EmptyTextError):
        ask(lambda c: c.detect(" "))


def test_all_pages_of_pairs_are_listed(ask: Any) -> None:
    """Pages are joined; evidence comes along, and what was not measured is None."""
    proven, bare = ask(lambda c: c.list_language_pairs())
    assert (proven.source_language, proven.target_language) == ("en", "yo")
    assert proven.transfer.verdict == "PASS"
    assert (proven.transfer.gain.ci_low, proven.transfer.gain.ci_high) == (5.5, 7.0)
    assert (proven.metrics[0].ci_low, proven.transfer.scratch) == (None, None)
    assert (bare.source_language, bare.transfer, bare.metrics) == ("yo", None, ())


def test_models_are_listed(ask: Any) -> None:
    """A model says what it is and what it does."""
    (model,) = ask(lambda c: c.list_models())
    assert (model.task, model.state, model.precision) == ("TRANSLATION", "READY", "INT8")
    assert model.pairs == (("en", "yo", "TRANSFER"),)
    assert (model.max_source_tokens, model.max_target_tokens) == (128, 256)


@pytest.mark.parametrize("name", ["tiny", "models/tiny", "models/tiny/versions/1"])
def test_a_card_is_found_by_every_form_of_the_name(client: Client, name: str) -> None:
    """Short and whole names lead to the card; the manifest keeps the names of bundle.proto."""
    card = client.get_model_card(name)
    assert card.markdown == "# tiny\n"
    assert card.bundle == {"format_version": 1, "name": "tiny", "licence": "CC0-1.0"}


def test_health_is_what_the_health_service_says(ask: Any) -> None:
    """The stock health service understands the question, and its answer is read right."""
    assert ask(lambda c: c.check_health()).ok
    assert ask(lambda c: c.check_health("models/tiny")).status == "NOT_SERVING"
    with pytest.raises(NotFoundError):
        ask(lambda c: c.check_health("models/none"))


@pytest.mark.parametrize(
    "call",
    [
        lambda c: c.translate("Good morning", "yo"),
        lambda c: c.translate(["one", "", "three"], "yo"),
        lambda c: c.classify(["one", ""], language="en"),
        lambda c: c.detect(["one", ""], max_candidates=2),
        lambda c: c.list_language_pairs(),
        lambda c: c.list_models(),
        lambda c: c.get_model_card("tiny"),
        lambda c: c.check_health(),
    ],
    ids=["text", "texts", "classify", "detect", "pairs", "models", "card", "health"],
)
def test_both_clients_give_equal_answers(
    ask_both: Callable[[Callable[[Any], Any]], tuple[Any, Any]], call: Callable[[Any], Any]
) -> None:
    """Whoever changes from one client to the other gets the same."""
    waited, awaited = ask_both(call)
    assert facts(waited) == facts(awaited)


def test_both_clients_have_the_same_methods() -> None:
    """Names and arguments are those of the other client."""

    def methods(kind: type) -> dict[str, list[str]]:
        public = inspect.getmembers(kind, inspect.isfunction)
        return {
            name: list(inspect.signature(method).parameters)
            for name, method in public
            if not name.startswith("_")
        }

    assert methods(Client) == methods(AsyncClient)


def test_results_cannot_be_changed(client: Client) -> None:
    """An answer is a fact."""
    with pytest.raises(dataclasses.FrozenInstanceError):
        client.translate("one", "yo").text = "two"  # type: ignore[misc]


def test_a_closed_client_says_so(fake: Any) -> None:
    """A call after close is the caller's mistake, and closing twice is none."""
    client = Client(fake.address)
    client.close()
    client.close()
    with pytest.raises(ArgumentError, match="closed"):
        client.list_models()


def test_an_async_client_needs_a_running_loop() -> None:
    """Outside a loop the mistake is named."""
    with pytest.raises(ArgumentError, match="running event loop"):
        AsyncClient("127.0.0.1:1")


def test_cancelling_a_task_cancels_its_call(fake: Any) -> None:
    """The server hears that nobody waits any more; the caller sees asyncio's own error."""

    async def give_up() -> None:
        async with AsyncClient(fake.address) as client:
            task = asyncio.create_task(client.translate("one", "slow"))
            await asyncio.to_thread(fake.entered.wait, 30)
            task.cancel()
            await task

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(give_up())


def test_the_server_wins_over_the_configuration(fake: Any) -> None:
    """The address given to the client is the one that is used."""
    with Client(fake.address, config=ClientConfig(server="127.0.0.1:1")) as client:
        assert client.translate("one", "yo").text == "yo: one"


def test_the_address_may_come_from_the_environment(
    fake: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client without arguments asks LINGRAFT_SERVER."""
    monkeypatch.setenv("LINGRAFT_SERVER", fake.address)
    with Client() as client:
        assert client.check_health().ok
