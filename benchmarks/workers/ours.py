"""Lingraft: the server's own engine, search and batching, loaded as the server does; no gRPC."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from benchmarks.cases import Case, Sentence
from benchmarks.layout import bundle_folder
from benchmarks.workers.base import Answers, Load, serve
from lingraft.server.app import collect_less, load_model
from lingraft.server.batching import Decoded, Source
from lingraft.server.config import ServerConfig
from lingraft.server.metrics import Metrics
from lingraft.server.search import SearchOptions, begin
from lingraft.server.services import Translator


class Lingraft:
    """An Engine. Options of loading are settings of the server (config.py)."""

    def load(self, load: Load) -> None:
        """Loads the bundle and starts its thread."""
        folder = bundle_folder(load.folder)
        config = ServerConfig(
            bundles=(folder,), threads=load.threads, precision=load.precision, **load.options
        )
        model = load_model(folder, config, Metrics())
        if not isinstance(model, Translator):
            raise TypeError(f"{folder} does not translate")
        self._model = model
        self._eos = model.bundle.special.eos
        self._sources: dict[str, list[list[Source]]] = {}
        model.scheduler.start(lambda: None)
        collect_less()

    def prepare(self, case: Case) -> None:
        """Ids and options as the scheduler's work."""
        self._sources[case.name] = [
            [self._source(case, sentence) for sentence in batch] for batch in case.batches
        ]

    def run(self, case: Case, options: Mapping[str, Any]) -> Any:
        """What was decoded; a batch's sentences are submitted together, as one call's are."""
        return [decoded for batch in self._sources[case.name] for decoded in self._translate(batch)]

    def answers(self, case: Case, result: Any) -> Answers:
        """The best hypothesis of each; the end stands there again where it came."""
        best = [each.found[0] for each in result]
        return [[*each.ids, *([] if each.truncated else [self._eos])] for each in best]

    def scores(self, case: Case, result: Any) -> list[float]:
        """What each best hypothesis is ranked by: the mean log-probability of its pieces."""
        return [each.found[0].score for each in result]

    def close(self) -> None:
        """Ends the thread, for whoever shares the process with other engines."""
        self._model.scheduler.stop()

    def _translate(self, sources: Sequence[Source]) -> list[Decoded]:
        futures = self._model.scheduler.submit(sources, deadline=math.inf)
        return [future.result() for future in futures]

    def _source(self, case: Case, sentence: Sentence) -> Source:
        options = SearchOptions(
            case.most, min_length=case.least, beam_size=case.beams, forced=case.forced
        )
        search = partial(begin, options, self._model.bundle.special, len(sentence))
        return Source(sentence, case.most, search, case.beams)


if __name__ == "__main__":
    serve(Lingraft())
