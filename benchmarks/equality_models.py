"""Small models of the stock families, trained for minutes on real text, and their bundles.

Random weights are no fair test of equality: all pieces lie close together, and rounding decides.
"""

from __future__ import annotations

import io
import json
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, count, islice
from pathlib import Path
from typing import Any

import numpy as np
import sentencepiece
import torch
from numpy.typing import NDArray
from transformers import (
    AutoModelForSeq2SeqLM,
    M2M100Config,
    M2M100Tokenizer,
    MBartConfig,
    MT5Config,
    T5Config,
)

from benchmarks.cases import SEED
from benchmarks.common import Json
from benchmarks.contest import say
from benchmarks.layout import bundle_folder, torch_folder
from benchmarks.models import STARTER
from benchmarks.sentences import data_folder, natural_texts
from lingraft.training.data.batches import BatchPlan, Corpus, epoch_batches
from lingraft.training.data.corpora import Row, keys, spread, without
from lingraft.training.data.tables import Table, read_tables
from lingraft.training.models.tensors import collate
from lingraft.training.recipe.settings import Training
from lingraft.training.run.loop import learning_rate
from lingraft.training.stock.export import StockExport, export_stock
from lingraft.training.stock.pairs import prefixes
from lingraft.training.stock.tokenizers import StockTokenizer, open_tokenizer

MARIAN = "marian"
SOURCE, TARGET = "en", "fr"
PIECES = 4_000  # of a SentencePiece model
STEPS = 700  # of training: three to four minutes of one core
_TRAINING_FILE = "training.json"
_ROWS = 30_000  # of each file below
_VOCABULARY_ROWS = 20_000
_LONGEST = 100  # pieces of either side of an example
_WARMUP, _BATCH_TOKENS, _CLIP = 100, 1_500, 1.0

_FAIRSEQ_SPM, _T5_SPM = "sentencepiece.bpe.model", "spiece.model"
# Nothing is dropped: so few steps cannot overfit.
_FAIRSEQ_SIZES = {
    "d_model": 128,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 4,
    "encoder_ffn_dim": 512,
    "decoder_ffn_dim": 512,
    "max_position_embeddings": 256,
    "scale_embedding": True,
    "decoder_start_token_id": 2,
    "dropout": 0.0,
    "attention_dropout": 0.0,
    "encoder_layerdrop": 0.0,
    "decoder_layerdrop": 0.0,
}
_T5_SIZES = {
    "d_model": 128,
    "d_kv": 32,
    "num_heads": 4,
    "d_ff": 512,
    "num_layers": 2,
    "num_decoder_layers": 2,
    "decoder_start_token_id": 0,
    "dropout_rate": 0.0,
}


def make_model(name: str, folder: Path, steps: int) -> None:
    """Makes the checkpoint and the fp32 bundle of a family in `folder`, if they are not there.

    Raises:
        TrainingError: the text cannot be read, or the checkpoint cannot be exported.
    """
    if folder.is_dir():
        return
    # Under another name until it is whole: a run that was killed leaves nothing that looks made.
    fresh = folder.with_name(f"{folder.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    if name == MARIAN:
        shutil.copytree(STARTER, torch_folder(fresh))
    else:
        _train(FAMILIES[name], fresh, steps)
    asked = StockExport(
        str(torch_folder(fresh)),
        bundle_folder(fresh),
        name=name,
        pairs=(f"{SOURCE}-{TARGET}",),
        precisions=("fp32",),
    )
    export_stock(asked)
    fresh.rename(folder)


def training_of(folder: Path) -> Json:
    """Steps, seconds and last loss of a model that was trained here; nothing for the starter."""
    path = folder / _TRAINING_FILE
    told: Json = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return told


@dataclass(frozen=True)
class Family:
    """`config` is its class in Transformers, `write` its tokenizer from text into a folder.

    `rate` is the peak of Adam's; new embeddings are multiplied by `embedding`.
    """

    config: Any
    sizes: Mapping[str, Any]
    write: Callable[[Path, Sequence[str]], None]
    rate: float
    embedding: float = 1.0


def _fairseq_tokenizer(kind: str) -> Callable[[Path, Sequence[str]], None]:
    """A SentencePiece model alone, as NLLB-200 and mBART-50 were published."""
    return lambda folder, texts: _train_spm(folder / _FAIRSEQ_SPM, texts, kind)


def _m2m100_tokenizer(folder: Path, texts: Sequence[str]) -> None:
    """A SentencePiece model and a vocabulary with ids of its own."""
    spm, vocabulary = folder / _FAIRSEQ_SPM, folder / "vocab.json"
    _train_spm(spm, texts, "bpe")
    trained = sentencepiece.SentencePieceProcessor(model_file=str(spm))
    pieces = [trained.id_to_piece(each) for each in range(3, trained.get_piece_size())]
    order = ["<s>", "<pad>", "</s>", "<unk>", *pieces]
    content = json.dumps({piece: number for number, piece in enumerate(order)})
    vocabulary.write_text(content, encoding="utf-8")
    M2M100Tokenizer(str(vocabulary), str(spm)).save_pretrained(folder)


def _t5_tokenizer(folder: Path, texts: Sequence[str]) -> None:
    """A SentencePiece model whose piece ids are the model's."""
    _train_spm(folder / _T5_SPM, texts, "unigram", pad_id=0, eos_id=1, unk_id=2, bos_id=-1)


def _train_spm(path: Path, texts: Sequence[str], kind: str, **ids: Any) -> None:
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(texts),
        model_writer=model,
        model_type=kind,
        vocab_size=PIECES,
        num_threads=1,  # more threads give another model
        minloglevel=2,
        **ids,
    )
    path.write_bytes(model.getvalue())


FAMILIES = {
    "m2m100": Family(M2M100Config, _FAIRSEQ_SIZES, _m2m100_tokenizer, 3e-3),
    "nllb": Family(M2M100Config, _FAIRSEQ_SIZES, _fairseq_tokenizer("bpe"), 3e-3),
    "mbart50": Family(MBartConfig, _FAIRSEQ_SIZES, _fairseq_tokenizer("unigram"), 3e-3),
    "t5": Family(T5Config, _T5_SIZES, _t5_tokenizer, 1e-2),
    # Unlike T5 it does not scale what its head reads, and would begin as sure as it is wrong.
    "mt5": Family(MT5Config, _T5_SIZES, _t5_tokenizer, 1e-2, embedding=128**-0.5),
}
NAMES = (MARIAN, *FAMILIES)


def _train(family: Family, folder: Path, steps: int) -> None:
    """From text to a stock checkpoint; the same seed and threads give the same weights."""
    checkpoint = torch_folder(folder)
    checkpoint.mkdir(parents=True)
    rows = _rows()
    some = [rows[place] for place in spread(len(rows), _VOCABULARY_ROWS)]
    family.write(checkpoint, list(chain.from_iterable(some)))
    tokenizer = open_tokenizer(checkpoint, family.config.model_type)
    model = _new_model(family, tokenizer.size)
    prefix = prefixes(model.config, [(SOURCE, TARGET)], "").get((SOURCE, TARGET), "")
    corpus = _corpus(rows, tokenizer, prefix)
    settings = Training(
        learning_rate=family.rate,
        warmup_steps=_WARMUP,
        max_steps=steps,
        batch_tokens=_BATCH_TOKENS,
        clip_norm=_CLIP,
        schedule="linear",
    )
    told = _run(model, corpus, settings)
    model.save_pretrained(checkpoint)
    (folder / _TRAINING_FILE).write_text(json.dumps(told) + "\n", encoding="utf-8")


def _rows() -> list[Row]:
    """Pairs of sentences, spoken and written; none that could be asked for later."""
    parallel = data_folder() / "parallel"
    tables = [
        Table(str(parallel / "tatoeba" / "en-fr.train.tsv"), (0, 1)),
        Table(str(parallel / "bible" / "multi.train.tsv"), (SOURCE, TARGET), header=True),
    ]
    texts, _ = natural_texts()
    held_out = keys([[(text,) for text in texts]])
    chosen = [[rows[i] for i in spread(len(rows), _ROWS)] for rows in read_tables(tables)]
    return [row for rows in chosen for row in without(rows, held_out)]


def _new_model(family: Family, pieces: int) -> Any:
    """Random weights. As stock models do, it has more rows than its tokenizer has pieces."""
    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    config = family.config(vocab_size=-(-(pieces + 1) // 64) * 64, **family.sizes)
    model = AutoModelForSeq2SeqLM.from_config(config, attn_implementation="eager")
    with torch.no_grad():
        model.get_input_embeddings().weight.mul_(family.embedding)
    return model


def _corpus(rows: Sequence[Row], tokenizer: StockTokenizer, prefix: str) -> Corpus:
    """Ids as the family was trained to read and to write them."""
    forced = tokenizer.forced(TARGET)
    front = [] if forced is None else [forced]
    pairs = []
    for here, there in rows:
        source = tokenizer.frame(tokenizer.pieces(prefix + here), SOURCE, TARGET)
        target = [*front, *tokenizer.pieces(there), tokenizer.eos]
        if max(len(source), len(target)) <= _LONGEST:
            pairs.append((np.asarray(source, np.int32), np.asarray(target, np.int32)))
    return Corpus(pairs, [0] * len(pairs))


def _run(model: Any, corpus: Corpus, settings: Training) -> Json:
    """Trains; what it took, and the mean loss of the last steps in nats per target piece."""
    pad = model.config.pad_token_id
    optimizer = torch.optim.AdamW(model.parameters(), betas=(0.9, 0.98), weight_decay=0, fused=True)
    model.train()
    began, losses = time.monotonic(), list[float]()
    for step, indices in enumerate(islice(_batches(corpus), settings.max_steps), start=1):
        batch = collate(corpus, indices, pad)
        loss = model(  # the decoder's input is the labels, moved by one as the family does it
            input_ids=batch["source"],
            attention_mask=(batch["source"] != pad).long(),
            labels=batch["labels"],
            use_cache=False,
        ).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), settings.clip_norm)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(settings, step)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        losses.append(float(loss.detach()))
        if step % 100 == 0:
            say(f"step {step}: loss {np.mean(losses[-100:]):.3f}")
    seconds = time.monotonic() - began
    last = float(np.mean(losses[-20:]))
    return {"steps": settings.max_steps, "seconds": round(seconds), "loss": round(last, 3)}


def _batches(corpus: Corpus) -> Iterator[NDArray[np.int64]]:
    """Epoch after epoch, for ever."""
    plan = BatchPlan(_BATCH_TOKENS, (1.0,), SEED)
    return chain.from_iterable(epoch_batches(corpus, plan, epoch) for epoch in count())
