"""Text in, text out: a server of all families answers over gRPC what the stock models say."""

from __future__ import annotations

import re
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer, GenerationConfig

from lingraft.client import Client

TEXTS = ("The children wait for the boat.", "Bread", "a, b", "hat kids play", "Tea?")
_TAG = re.compile(r"__[a-z]+__|>>\w+<<")
# Checkpoints whose tokenizer Transformers can load, and what is written before a text to ask for
# the first pair's target.
STOCK = {
    "nllb": "",
    "m2m100": "",
    "mbart50": "",
    "marian": "",
    "marian_tagged": ">>fra<< ",
    "t5": "translate English to French: ",
}
SOURCE = {"nllb": "eng_Latn", "m2m100": "en", "mbart50": "en_XX"}


@pytest.fixture(scope="module")
def client(exported: Callable[[str], Any]) -> Iterator[Client]:
    """Of a server process with the fp32 graphs of all of them."""
    bundles = [str(exported(name).folder) for name in STOCK]
    command = [sys.executable, "-m", "lingraft.server", *bundles, "--port", "0"]
    command += ["--precision", "fp32", "--threads", "1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        address = process.stdout.readline().split("listening on ")[1].strip()
        with Client(address) as made:
            yield made
        process.terminate()


def _said(name: str, family: Any, text: str) -> str:
    """What Transformers makes of a text, within the limits of the bundle."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Marian's tokenizer recommends a package
        tokenizer = AutoTokenizer.from_pretrained(family.checkpoint)
    if name in SOURCE:
        tokenizer.src_lang = SOURCE[name]
    bundle, ids = family.bundle, tokenizer(STOCK[name] + text).input_ids
    target = bundle.pairs[0].target_language
    tags = {tag.language: tag.id for tag in bundle.language_tags}
    model = AutoModelForSeq2SeqLM.from_pretrained(family.checkpoint).eval()
    model.generation_config = GenerationConfig()
    special = bundle.special_ids
    settings = GenerationConfig(
        max_new_tokens=min(bundle.limits.max_target_tokens, 10 + int(3 * len(ids))),
        forced_bos_token_id=tags[target] if name in SOURCE else None,
        eos_token_id=special.eos,
        pad_token_id=special.pad,
        decoder_start_token_id=special.decoder_start,
        suppress_tokens=[special.pad],
    )
    answer = model.generate(torch.tensor([ids]), generation_config=settings)[0].tolist()
    decoded = str(tokenizer.decode(answer, skip_special_tokens=True))
    return _TAG.sub("", decoded).strip()  # M2M100's and Marian's leave tags in


@pytest.mark.parametrize("name", STOCK)
def test_served_text_is_what_the_stock_model_says(
    name: str, client: Client, exported: Callable[[str], Any]
) -> None:
    """Tokenizer, forced tags, prefixes, graphs and the way back."""
    family = exported(name)
    pair = family.bundle.pairs[0]
    said = {text: _said(name, family, text) for text in TEXTS}
    spoken = [text for text in TEXTS if said[text]]  # a random model may end at once
    assert spoken
    for text in spoken:
        answer = client.translate(text, pair.target_language, pair.source_language, name)
        assert answer.text == said[text]
