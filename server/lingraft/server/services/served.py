"""What a server serves: loaded bundles by what they do, and the choice of one for a request."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, ClassVar

from lingraft.server.batching import Decoded, Document, Scheduler, Scores, Source
from lingraft.server.bundle import Bundle, Pair, Precision
from lingraft.server.text import IdentificationCodec, TextCodec
from lingraft.v1 import bundle_pb2, common_pb2


@dataclass(frozen=True)
class ServedModel:
    """A loaded bundle. `manifest` holds the evidence that the API quotes.

    `provider` is the device that runs it: "cpu" or "cuda". `does` says it for people.
    """

    does: ClassVar[str]

    bundle: Bundle
    manifest: bundle_pb2.Bundle
    precision: Precision
    provider: str
    loaded: datetime
    scheduler: Scheduler[Any, Any]

    @property
    def short_name(self) -> str:
        """`models/NAME`."""
        return f"models/{self.bundle.name}"

    @property
    def name(self) -> str:
        """`models/NAME/versions/VERSION`."""
        return f"{self.short_name}/versions/{self.bundle.version}"


@dataclass(frozen=True)
class Translator(ServedModel):
    """A model that translates."""

    does = "translates"

    codec: TextCodec
    scheduler: Scheduler[Source, Decoded]

    def pair(self, source: str, target: str) -> Pair | None:
        """The pair as the bundle spells it; case does not matter. None for one it only measured
        through a third language (PAIR_STATUS_PIVOT)."""
        place = self._places.get((source.lower(), target.lower()))
        return None if place is None else self.bundle.pairs[place]

    @cached_property
    def pairs(self) -> tuple[Pair, ...]:
        """Those that it translates itself."""
        return tuple(self.bundle.pairs[place] for place in sorted(self._places.values()))

    def evidence(self, pair: Pair) -> bundle_pb2.BundlePair:
        """What the manifest says of a pair."""
        return self.manifest.pairs[self._places[pair.source.lower(), pair.target.lower()]]

    @cached_property
    def _places(self) -> dict[tuple[str, str], int]:
        """Where each pair of its own stands in the bundle: NLLB-200 has 40,000."""
        pairs = reversed(list(enumerate(self.bundle.pairs)))  # of equal ones, the first counts
        return {
            (pair.source.lower(), pair.target.lower()): place
            for place, pair in pairs
            if self.manifest.pairs[place].status != common_pb2.PAIR_STATUS_PIVOT
        }


@dataclass(frozen=True)
class Classifier(ServedModel):
    """A model that classifies."""

    does = "classifies"

    codec: TextCodec
    scheduler: Scheduler[Document, Scores]


@dataclass(frozen=True)
class Identifier(ServedModel):
    """A model that says which language a text is in; its labels are the languages."""

    does = "identifies languages"

    codec: IdentificationCodec
    scheduler: Scheduler[Document, Scores]


@dataclass(frozen=True)
class Choice:
    """The model and the pair that answer a request.

    `inferred` when the source was left out; `confidence` (0 to 1) that it is right where it was
    read from the texts, 0 where it follows from the pairs. `onward` is what follows where the way
    leads through a third language, the target of `pair`.
    """

    model: Translator
    pair: Pair
    inferred: bool
    confidence: float = 0.0
    onward: Choice | None = None
