"""CTranslate2: `translate_batch` on the model that its own Marian converter made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import ctranslate2

from benchmarks.cases import Case
from benchmarks.layout import ct2_folder, ct2_word, id_of
from benchmarks.workers.base import Answers, Load, serve


class CTranslate2:
    """An Engine. Options of loading: `inter`, translators side by side; they share the threads.

    Options of a run: `max_batch_size` and `batch_type`, as CTranslate2 has them; without them a
    batch is translated as it is. It sorts by length itself where it cuts.
    """

    def load(self, load: Load) -> None:
        """Opens the model of `load.precision`."""
        inter = load.options.get("inter", 1)
        self._translator = ctranslate2.Translator(
            str(ct2_folder(load.folder, load.precision)),
            device="cpu",
            compute_type="int8" if load.precision == "int8" else "float32",
            inter_threads=inter,
            intra_threads=max(1, load.threads // inter),
        )
        self._sources: dict[str, list[list[list[str]]]] = {}

    def prepare(self, case: Case) -> None:
        """Ids as CTranslate2's words."""
        self._sources[case.name] = [
            [[ct2_word(each) for each in sentence] for sentence in batch] for batch in case.batches
        ]

    def run(self, case: Case, options: Mapping[str, Any]) -> Any:
        """Results of CTranslate2, batch by batch."""
        return [
            self._translator.translate_batch(
                batch,
                beam_size=case.beams,
                min_decoding_length=case.least,
                max_decoding_length=case.most,
                max_input_length=0,
                return_end_token=True,
                **options,
            )
            for batch in self._sources[case.name]
        ]

    def answers(self, case: Case, result: Any) -> Answers:
        """Words as ids again."""
        best = [each.hypotheses[0] for batch in result for each in batch]
        return [[id_of(word) for word in words] for words in best]


if __name__ == "__main__":
    serve(CTranslate2())
