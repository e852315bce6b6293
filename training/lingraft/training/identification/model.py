"""The model: the mean of the rows of a text's n-grams, as of fastText (Joulin et al. 2017)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn.functional import cross_entropy

from lingraft.training.identification.alphabet import Alphabet
from lingraft.training.identification.texts import UNDETERMINED
from lingraft.training.recipe.identification import Fitting
from lingraft.training.vocabulary.ngrams import NGrams

_BATCH = 2000  # texts that are read at once
_SETTLING_STEPS = 200  # of L-BFGS, at most: two numbers are fitted

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Identifier:
    """labels: languages and "und", in the order of the logits.

    table: [buckets, labels]; bias: [labels].
    """

    labels: tuple[str, ...]
    alphabet: Alphabet
    ngrams: NGrams
    longest: int
    table: Floats
    bias: Floats

    def rows(self, texts: Sequence[str]) -> list[NDArray[np.int64]]:
        """The buckets of the n-grams of each text, which is in NFC."""
        return [self.ngrams.rows(self.alphabet.symbols(text[: self.longest])) for text in texts]

    def logits(self, texts: Sequence[str]) -> Floats:
        """[texts, labels]."""
        found = [np.zeros((0, len(self.labels)), np.float32)]
        for start in range(0, len(texts), _BATCH):
            rows = self.rows(texts[start : start + _BATCH])
            found.append(np.stack([self.table[each].mean(axis=0) for each in rows]) + self.bias)
        return np.concatenate(found)


def fit(
    blank: Identifier, texts: Sequence[str], truth: Sequence[int], settings: Fitting, seed: int
) -> Identifier:
    """`blank` with a table learnt from texts and the places of their labels."""
    random = np.random.default_rng(seed)
    rows, labels = blank.rows(texts), torch.as_tensor(truth)
    table = nn.EmbeddingBag(blank.ngrams.buckets, len(blank.labels), mode="mean")
    nn.init.zeros_(table.weight)
    optimizer = torch.optim.Adam(table.parameters(), lr=settings.learning_rate)
    for _ in range(settings.epochs):
        order = random.permutation(len(rows))
        for start in range(0, len(order), settings.batch):
            places = order[start : start + settings.batch]
            loss = cross_entropy(_bagged(table, [rows[i] for i in places]), labels[places])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        for group in optimizer.param_groups:
            group["lr"] *= settings.decay
    return replace(blank, table=table.weight.detach().numpy())


def settle(
    found: Identifier, known: Sequence[tuple[str, str]], strange: Sequence[str], share: float
) -> Identifier:
    """`found` with a temperature and a bias of "und" under which dev is most likely.

    Every language weighs as much as the next. Both numbers become part of the weights, so that a
    softmax of the logits is a calibrated probability.

    Args:
        known: (text, language).
        strange: texts in none of the languages.
        share: what strangers weigh, of 1.
    """
    texts = [text for text, _ in known] + list(strange)
    wanted = [found.labels.index(language) for _, language in known]
    und = found.labels.index(UNDETERMINED)
    truth = torch.as_tensor(wanted + [und] * len(strange))
    weights = _evened(truth, und, share)
    logits = torch.from_numpy(found.logits(texts))
    numbers = torch.zeros(2, requires_grad=True)  # logarithm of the scale, bias
    shift = torch.eye(len(found.labels))[und]
    fitting = torch.optim.LBFGS([numbers], max_iter=_SETTLING_STEPS, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        fitting.zero_grad()
        moved = logits * numbers[0].exp() + shift * numbers[1]
        value = (cross_entropy(moved, truth, reduction="none") * weights).sum()
        value.backward()  # type: ignore[no-untyped-call]
        return value

    fitting.step(loss)  # type: ignore[no-untyped-call]
    scale, bias = float(numbers[0].detach().exp()), float(numbers[1].detach())
    moved = found.bias * scale + shift.numpy() * bias
    table = (found.table * scale).astype(np.float32)
    return replace(found, table=table, bias=moved.astype(np.float32))


def _bagged(table: nn.EmbeddingBag, rows: Sequence[NDArray[np.int64]]) -> torch.Tensor:
    starts = np.cumsum([0, *map(len, rows[:-1])])
    logits: torch.Tensor = table(torch.from_numpy(np.concatenate(rows)), torch.from_numpy(starts))
    return logits


def _evened(truth: torch.Tensor, und: int, share: float) -> torch.Tensor:
    """Weights of sum 1: a share of it for "und", the others in equal parts for the languages."""
    counts = torch.bincount(truth)
    languages = int((counts > 0).sum()) - int(counts[und] > 0)
    shares = (1 - share) / (counts.clamp(min=1) * max(languages, 1))
    shares[und] = share / max(int(counts[und]), 1)
    return shares[truth]
