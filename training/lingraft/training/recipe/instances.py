"""Settings of instance transfer and of the contamination guard."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from lingraft.training.recipe.settings import Rate, Strict

Share = Annotated[float, Field(gt=0, le=1)]
Order = Annotated[int, Field(ge=1, le=5)]
Method = Literal["cross-entropy-difference", "ngram-importance"]
Side = Literal["source", "target", "both"]


class Mixing(Strict):
    """How often an epoch visits each data source (Arivazhagan et al. 2019).

    A source of n examples gets a share proportional to n^(1/temperature): 1 is proportional, `inf`
    gives every source as much as the next.
    """

    temperature: Annotated[float, Field(ge=1)] = 5.0
    parent_share: Rate | None = None  # of the mix; unset: what the temperature gives


class Selection(Strict):
    """Which parent sentences help a target of which only a sample is at hand."""

    method: Method = "cross-entropy-difference"
    keep: Share = 0.5  # of the examples; with `weight`, of their visits
    weight: bool = False  # visit good examples more often instead of cutting the others
    # The side that is in a language of the sample; "both" adds the scores of the two.
    side: Side = "source"
    order: Order | None = None  # longest n-gram; unset: 3, for n-gram importance 2 as in the paper
    unit: Literal["word", "character"] = "word"  # character: for text without spaces
    buckets: Annotated[int, Field(ge=100)] = 10000  # of hashed n-grams; n-gram importance only
    list_examples: Annotated[int, Field(ge=0)] = 20  # most helpful and most harmful ones to show
    show_sentences: bool = True  # off: the lists name rows, not their text


class Contamination(Strict):
    """When a row counts as a copy of a held-out one, and what is done then.

    Near-duplicates share a run of `ngram` words with a held-out sentence, and such runs cover at
    least `coverage` of its words: a formula that many sentences contain is not enough.
    """

    ngram: Annotated[int, Field(ge=2)] = 8
    coverage: Share = 0.5
    action: Literal["drop", "stop"] = "drop"
    examples: Annotated[int, Field(ge=0)] = 5  # of each finding, as numbers of rows
