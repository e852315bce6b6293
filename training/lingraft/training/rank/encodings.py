"""LogME on the child's text: what a frozen parent's encoder knows of it before any training.

Features are the mean-pooled states of the parent's encoder over the child's source sentences.

Targets must be the same for every parent, or their evidences could not be compared; so they cannot
be made of a parent's own pieces or embeddings. In translation they are the first principal
components of the target sentences' bags of character n-grams (1 to 3, inside words, TF-IDF), each
scaled to unit variance: what a sentence is about, seen from its translation. In classification
they are the labels, one column for each, 0 or 1, as in the paper.

Our own changes to the paper: an intercept (`contrasts`), and the targets of translation.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer
from transformers import MarianMTModel

from lingraft.training.data.corpora import spread
from lingraft.training.models.classifier import mean_state
from lingraft.training.models.tensors import pad_rows
from lingraft.training.rank.child import Child, Example
from lingraft.training.rank.logme import contrasts, logme
from lingraft.training.recipe.ranking import Ranking
from lingraft.training.vocabulary.codec import Codec, shorten
from lingraft.training.vocabulary.normalise import normalise

TEXTS = "texts"  # the only direction of a classifier
_BATCH = 32
_FEWEST = 8  # examples of a direction; evidence of fewer says nothing
Array = NDArray[np.float64]


def evidence(
    model: MarianMTModel, codec: Codec, child: Child, settings: Ranking
) -> dict[str, float]:
    """LogME in nats per example, by direction ("en-yo"; "texts" in classification).

    Directions with too little text, or whose targets never vary, are left out.
    """
    values = {}
    room = model.config.max_position_embeddings
    for direction, examples in _directions(child, settings.evidence_sentences).items():
        targets = targets_of(examples, child.labels, settings.components)
        if len(examples) >= _FEWEST and targets.size:
            rows = [shorten(example.source_ids(codec), room) for example in examples]
            features = encodings(model, codec.pad, rows)
            values[direction] = logme(contrasts(features), contrasts(targets))
    return values


def _directions(child: Child, limit: int) -> dict[str, list[Example]]:
    """Examples of each direction, or of all of a classifier's texts; evenly spread."""
    groups: dict[str, list[Example]] = {}
    for example in child.train:
        key = f"{example.language}-{example.target}" if example.target else TEXTS
        groups.setdefault(key, []).append(example)
    return {k: [group[i] for i in spread(len(group), limit)] for k, group in groups.items()}


@torch.no_grad()
def encodings(model: MarianMTModel, pad: int, rows: Sequence[Sequence[int]]) -> Array:
    """Mean encoder states [rows, d_model] of source ids, in the order of `rows`."""
    model.eval()
    encoder = model.model.encoder
    order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
    results = np.zeros((len(rows), model.config.d_model))
    for start in range(0, len(order), _BATCH):
        chosen = order[start : start + _BATCH]
        source = pad_rows([rows[i] for i in chosen], pad).to(model.device)
        real = source != pad
        states = encoder(input_ids=source, attention_mask=real.long()).last_hidden_state
        results[chosen] = mean_state(states.float(), real).double().cpu().numpy()
    return results


def targets_of(examples: Sequence[Example], labels: Sequence[str], components: int) -> Array:
    """Targets [examples, columns], the same whatever the parent; no columns where none vary."""
    if labels:
        return np.array([[float(e.answer == label) for label in labels] for e in examples])
    return _components([normalise(e.answer, e.target) for e in examples], components)


def _components(texts: Sequence[str], wanted: int) -> Array:
    """Principal components [texts, at most `wanted`] of bags of n-grams, of unit variance."""
    bags = TfidfVectorizer(analyzer="char_wb", ngram_range=(1, 3), sublinear_tf=True)
    table = bags.fit_transform(texts)
    products = np.asarray((table @ table.T).todense(), dtype=np.float64)
    products -= products.mean(axis=0)  # both means out: the products of centred bags
    products -= products.mean(axis=1, keepdims=True)
    values, vectors = np.linalg.eigh((products + products.T) / 2)
    varied = int((values > values[-1] * 1e-9).sum()) if values[-1] > 1e-9 else 0
    # A component for each fourth text at most: the last ones of a small sample are its noise.
    kept = min(wanted, varied, max(len(texts) // 4, 1))
    components: Array = vectors[:, ::-1][:, :kept] * len(texts) ** 0.5
    return components
