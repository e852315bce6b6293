"""Texts in, answers out: `lingraft translate`, `lingraft classify` and `lingraft detect`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

Command: TypeAlias = Callable[..., Any]


def test_arguments_are_translated_one_a_line(lingraft: Command) -> None:
    """Each argument is a text, each answer a line."""
    done = lingraft("translate", "--to", "yo", "Good morning", "Thank you")
    assert (done.code, done.out, done.err) == (0, "yo: Good morning\nyo: Thank you\n", "")


def test_standard_input_is_translated_line_by_line(lingraft: Command) -> None:
    """Without arguments the lines of standard input are the texts; blank lines stay blank."""
    done = lingraft("translate", "--to", "yo", stdin="﻿Ẹ kú\r\n\n  \nlast".encode())
    assert (done.code, done.out) == (0, "yo: Ẹ kú\n\n\nyo: last\n")


def test_a_file_is_translated_line_by_line(lingraft: Command, tmp_path: Path) -> None:
    """--file reads the lines of a file; - is standard input."""
    path = tmp_path / "texts"
    path.write_text("one\ntwo\n", encoding="utf-8")
    assert lingraft("translate", "--to", "yo", "--file", str(path)).out == "yo: one\nyo: two\n"
    assert lingraft("translate", "--to", "yo", "--file", "-", stdin=b"one").out == "yo: one\n"


def test_only_a_line_feed_ends_a_line(lingraft: Command) -> None:
    """A line separator of Unicode stays inside its text, so that lines keep their numbers."""
    done = lingraft("translate", "--to", "yo", stdin="a\u2028b\x85c\n".encode())
    assert done.out == "yo: a\u2028b\x85c\n"


def test_many_lines_are_sent_in_batches_and_keep_their_order(lingraft: Command, fake: Any) -> None:
    """A long input takes several calls and comes out in order."""
    lines = [f"line {number}" for number in range(10)]
    done = lingraft("translate", "--to", "yo", "--batch", "4", stdin="\n".join(lines).encode())
    assert done.out.splitlines() == [f"yo: {line}" for line in lines]
    assert [len(request.contents) for request in fake.requests] == [4, 4, 2]


def test_long_lines_make_smaller_batches(lingraft: Command, fake: Any) -> None:
    """A call stays under gRPC's usual limit whatever the lines are."""
    line = "x" * 300_000
    assert lingraft("translate", "--to", "yo", stdin=f"{line}\n{line}\n".encode()).code == 0
    assert [len(request.contents) for request in fake.requests] == [1, 1]


def test_a_failing_line_is_reported_and_the_others_are_printed(lingraft: Command) -> None:
    """The error names its line; the output keeps one line for each line of the input."""
    done = lingraft("translate", "--to", "yo", stdin=b"one\nunset\nthree\n")
    assert (done.code, done.out) == (1, "yo: one\n\nyo: three\n")
    assert done.err.startswith("lingraft: line 2: the server sent neither")


def test_a_failing_argument_is_reported_by_its_number(lingraft: Command) -> None:
    """An empty argument is sent, since somebody wrote it on purpose."""
    done = lingraft("translate", "--to", "yo", "one", "")
    assert (done.code, done.out) == (1, "yo: one\n\n")
    assert done.err == "lingraft: text 2: the text is empty [EMPTY_TEXT]\n"


def test_a_warning_is_reported_and_is_no_failure(lingraft: Command) -> None:
    """A warning goes to stderr with its line."""
    done = lingraft("translate", "--to", "yo", stdin=b"long\n")
    assert (done.code, done.out) == (0, "yo: long\n")
    assert done.err == "lingraft: line 1: warning: TRUNCATED\n"


def test_json_is_one_document(lingraft: Command) -> None:
    """--json gives every answer and error with its source and its number."""
    done = lingraft("translate", "--to", "yo", "--json", "Ẹ kú", "")
    first, second = json.loads(done.out)["results"]
    assert (first["number"], first["source"], first["text"]) == (1, "Ẹ kú", "yo: Ẹ kú")
    assert (second["number"], second["error"]["reason"]) == (2, "EMPTY_TEXT")
    assert (done.code, "Ẹ kú" in done.out) == (1, True)


def test_json_of_a_refused_call_is_a_document_too(lingraft: Command) -> None:
    """A program that reads the output finds the error there."""
    done = lingraft("translate", "--to", "xx", "--json", "one")
    content = json.loads(done.out)
    assert (done.code, content["results"]) == (1, [])
    assert content["error"]["reason"] == "LANGUAGE_UNSUPPORTED"
    assert (
        json.loads(lingraft("card", "none", "--json").out)["error"]["reason"] == "MODEL_NOT_FOUND"
    )


def test_languages_and_model_are_passed_on(lingraft: Command, fake: Any) -> None:
    """--from, --to and --model reach the server."""
    lingraft("translate", "--from", "en", "--to", "yo", "--model", "tiny", "one")
    (request,) = fake.requests
    asked = (request.source_language, request.target_language, request.model)
    assert asked == ("en", "yo", "models/tiny")


def test_every_faulty_field_is_printed(lingraft: Command) -> None:
    """A refusal names all that is wrong in one line."""
    done = lingraft("translate", "--to", "beam", "one")
    assert done.code == 1
    assert done.err == (
        "lingraft: not built; decoding.beam_size: is 9; decoding.seed: is 4 [OPTION_UNSUPPORTED]\n"
    )


def test_every_flag_of_decoding_reaches_the_server(lingraft: Command, fake: Any) -> None:
    """And what was left out is not sent."""
    flags = {
        "--beam": 4,
        "--alternatives": 2,
        "--length-penalty": 0.5,
        "--repetition-penalty": 1.5,
        "--no-repeat-ngram": 3,
        "--max-tokens": 40,
        "--min-tokens": 5,
        "--max-length-ratio": 2.5,
        "--prefix": "Ẹ kú",
        "--temperature": 0.25,
        "--top-k": 9,
        "--seed": -7,
    }
    given = [f"{name}={value}" for name, value in flags.items()]
    assert lingraft("translate", "--to", "yo", *given, "one").code == 0
    lingraft("translate", "--to", "yo", "one")
    told, silent = fake.requests
    sent = [value for _, value in told.decoding.ListFields()]
    assert sorted(map(str, sent)) == sorted(map(str, flags.values()))
    assert not silent.HasField("decoding")
    assert not silent.response_options.ListFields()


def test_alternatives_follow_on_the_same_line(lingraft: Command) -> None:
    """So that line N still belongs to line N."""
    done = lingraft("translate", "--to", "many-ways", "--alternatives", "2", "one")
    assert done.out == "many-ways: one\ttwo\tthree\n"


def test_details_are_part_of_the_document(lingraft: Command, fake: Any) -> None:
    """Words and links have no place on a line."""
    flags = ("--word-scores", "--alignment", "--quality")
    done = lingraft("translate", "--to", "many-ways", "--json", *flags, "one")
    (entry,) = json.loads(done.out)["results"]
    assert (entry["quality"]["p_acceptable"], entry["quality"]["size"]) == (0.75, 120)
    (sentence,) = entry["sentences"]
    assert sentence["words"] == [{"target_span": {"begin": 0, "end": 3}, "mean_logprob": -0.5}]
    assert sentence["alignment"][0]["weight"] == 0.75
    assert fake.requests[0].response_options.word_scores
    done = lingraft("translate", "--to", "yo", *flags, "one")
    assert (done.code, done.err) == (2, f"lingraft: {' '.join(flags)}: only with --json\n")


def test_labels_are_printed_with_their_evidence(lingraft: Command) -> None:
    """A label's score never stands without its calibration, or the lack of it."""
    done = lingraft("classify", "--language", "en", "Win money now")
    assert done.out == "spam 0.750, ham 0.250\tcalibrated for en on 80 texts, error 0.031\n"
    assert lingraft("classify", "Win").out == "spam 0.750, ham 0.250\tnot calibrated\n"


def test_flags_that_the_server_must_know_of_reach_it(lingraft: Command, fake: Any) -> None:
    """Leave to pivot, and a set of thresholds; neither unasked."""
    lingraft("translate", "--to", "yo", "--allow-pivot", "one")
    lingraft("translate", "--to", "yo", "one")
    assert [each.allow_pivot for each in fake.requests] == [True, False]
    fake.requests.clear()
    lingraft("classify", "--thresholds", "fpr-0.01", "Win")
    lingraft("classify", "Win")
    assert [each.threshold_profile for each in fake.requests] == ["fpr-0.01", ""]


def test_labels_as_json(lingraft: Command) -> None:
    """--json carries labels and calibration."""
    done = lingraft("classify", "--json", "--top", "1", "Win")
    (entry,) = json.loads(done.out)["results"]
    assert entry["labels"][0]["name"] == "spam"
    assert entry["calibration"]["calibrated"] is False


def test_languages_are_printed_with_their_probability(lingraft: Command, fake: Any) -> None:
    """One line for each text, of as many languages as wanted; one unless told otherwise."""
    assert lingraft("detect", "Ẹ kú", "ọjọ́").out == "yo 0.750\nyo 0.750\n"
    done = lingraft("detect", "--candidates", "2", stdin="Ẹ kú\n\nọjọ́".encode())
    assert (done.code, done.out) == (0, "yo 0.750\thaw 0.250\n\nyo 0.750\thaw 0.250\n")
    assert [request.max_candidates for request in fake.requests] == [1, 2]


def test_a_text_whose_language_cannot_be_told_is_reported(lingraft: Command) -> None:
    """By its number, as everywhere."""
    done = lingraft("detect", "Ẹ kú", "")
    assert (done.code, done.out) == (1, "yo 0.750\n\n")
    assert done.err == "lingraft: text 2: the text is empty [EMPTY_TEXT]\n"


def test_languages_as_json(lingraft: Command) -> None:
    """--json carries every candidate."""
    (entry,) = json.loads(lingraft("detect", "--json", "--candidates", "2", "Ẹ kú").out)["results"]
    assert entry["candidates"] == [
        {"language": "yo", "confidence": 0.75},
        {"language": "haw", "confidence": 0.25},
    ]


def test_input_that_is_not_utf8_is_named(lingraft: Command, tmp_path: Path) -> None:
    """Source, line and byte are named, and nothing of that batch is printed."""
    done = lingraft("translate", "--to", "yo", stdin=b"one\ntw\xff\n")
    assert (done.code, done.out) == (2, "")
    assert "standard input, line 2: not UTF-8 (byte 3 of the line is 0xff)" in done.err
    path = tmp_path / "latin"
    path.write_bytes("é".encode("latin-1"))
    assert f"{path}, line 1: not UTF-8" in lingraft("classify", "--file", str(path)).err


def test_closed_standard_input_is_named(lingraft: Command) -> None:
    """Without texts and without an input there is nothing to do, and that is said."""
    done = lingraft("translate", "--to", "yo", stdin=None)
    assert (done.code, done.out) == (2, "")
    assert "standard input is closed" in done.err


def test_empty_input_gives_empty_output(lingraft: Command, fake: Any) -> None:
    """No line, no call, no output."""
    done = lingraft("translate", "--to", "yo")
    assert (done.code, done.out, done.err, fake.requests) == (0, "", "", [])
