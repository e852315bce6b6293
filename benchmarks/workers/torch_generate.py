"""Transformers: `generate` on PyTorch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from transformers import MarianMTModel
from transformers.utils import logging

from benchmarks.cases import Case
from benchmarks.common import Json
from benchmarks.layout import torch_folder
from benchmarks.workers.base import Answers, Load, serve


class Transformers:
    """An Engine. Options of loading: `dtype` (float32, bfloat16) and `attention` (sdpa, eager).

    Option of a run: `rows`, the size of the parts into which a batch is cut, sorted by length.
    """

    def load(self, load: Load) -> None:
        """Loads the checkpoint; its arithmetic is `dtype` whatever the others' precision is."""
        torch.set_num_threads(load.threads)
        self._model = MarianMTModel.from_pretrained(
            str(torch_folder(load.folder)),
            dtype=getattr(torch, load.options["dtype"]),
            attn_implementation=load.options["attention"],
        ).eval()
        self._model.generation_config.max_length = None  # each run says how many new ones
        self._pad = int(self._model.config.pad_token_id)
        self._eos = int(self._model.config.eos_token_id)

    def prepare(self, case: Case) -> None:
        """Nothing: tensors are made in the run, as padding depends on how it is cut."""

    def run(self, case: Case, options: Mapping[str, Any]) -> Any:
        """Ids, one list for each sentence; pads still in them."""
        rows = options.get("rows", 0)
        return [row for batch in case.batches for row in self._batch(case, batch, rows)]

    def answers(self, case: Case, result: Any) -> Answers:
        """Without the start and what follows eos."""
        return [self._cut(row[1:]) for row in result]

    @torch.inference_mode()
    def margins(self, source: Sequence[int], ours: Sequence[int], theirs: Sequence[int]) -> Json:
        """By how much this model prefers `theirs` to `ours`, in natural logarithms.

        `step`: of the two pieces at the first place that differs, given what is the same before.
        `score`: of the whole answers, each the mean of its pieces, as beam search ranks them.
        """
        first, second = self._logprobs(source, theirs), self._logprobs(source, ours)
        pairs = zip(theirs, ours, strict=False)
        place = next((i for i, (a, b) in enumerate(pairs) if a != b), None)
        step = None if place is None else first[place] - second[place]
        score = sum(first) / len(first) - sum(second) / len(second)
        return {"place": place, "step": step, "score": score}

    def _logprobs(self, source: Sequence[int], target: Sequence[int]) -> list[float]:
        """Of each piece of `target`, given those before."""
        before = torch.tensor([[self._pad, *target[:-1]]])
        logits = self._model(
            input_ids=torch.tensor([list(source)]), decoder_input_ids=before
        ).logits
        taken = logits[0].log_softmax(-1).gather(1, torch.tensor(target)[:, None])
        logprobs: list[float] = taken[:, 0].tolist()
        return logprobs

    @torch.inference_mode()
    def _batch(self, case: Case, batch: Sequence[Sequence[int]], rows: int) -> list[list[int]]:
        order = sorted(range(len(batch)), key=lambda place: -len(batch[place]))
        rows = rows or len(batch)
        found: dict[int, list[int]] = {}
        for begin in range(0, len(order), rows):
            places = order[begin : begin + rows]
            answers = self._generate(case, [batch[place] for place in places])
            found.update(zip(places, answers, strict=True))
        return [found[place] for place in range(len(batch))]

    def _generate(self, case: Case, sources: Sequence[Sequence[int]]) -> list[list[int]]:
        longest = max(map(len, sources))
        padded = [[*source, *[self._pad] * (longest - len(source))] for source in sources]
        mask = [[1] * len(source) + [0] * (longest - len(source)) for source in sources]
        output = self._model.generate(
            input_ids=torch.tensor(padded),
            attention_mask=torch.tensor(mask),
            num_beams=case.beams,
            do_sample=False,
            max_new_tokens=case.most,
            min_new_tokens=case.least or None,
            bad_words_ids=[[self._pad]],
        )
        answers: list[list[int]] = output.tolist()
        return answers

    def _cut(self, row: Sequence[int]) -> list[int]:
        end = row.index(self._eos) + 1 if self._eos in row else len(row)
        return [each for each in row[:end] if each != self._pad]


if __name__ == "__main__":
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    transformers = Transformers()
    serve(transformers, judge=transformers)
