"""Transformers: `generate` on PyTorch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from transformers import AutoModelForSeq2SeqLM, GenerationConfig
from transformers.utils import logging

from benchmarks.cases import Case
from benchmarks.common import Json
from benchmarks.layout import torch_folder
from benchmarks.workers.base import Answers, Load, serve

# Ids with the start and pads, and the score where it was asked for, else 0.
Generated = tuple[list[int], float]


class Transformers:
    """An Engine. Options of loading: `dtype` (float32, bfloat16) and `attention` (sdpa, eager).

    Options of a run: `rows`, the size of the parts into which a batch is cut, sorted by length;
    `scored`, whether scores are kept, which takes memory and time.
    """

    def load(self, load: Load) -> None:
        """Loads the checkpoint; its arithmetic is `dtype` whatever the others' precision is."""
        torch.set_num_threads(load.threads)
        self._model = AutoModelForSeq2SeqLM.from_pretrained(
            str(torch_folder(load.folder)),
            dtype=getattr(torch, load.options["dtype"]),
            attn_implementation=load.options["attention"],
        ).eval()
        config = self._model.config
        self._pad, self._eos = int(config.pad_token_id), int(config.eos_token_id)
        self._start = int(config.decoder_start_token_id)
        # No lengths, penalties or forced pieces of the checkpoint's own: the case says all.
        self._model.generation_config = GenerationConfig(
            pad_token_id=self._pad, eos_token_id=self._eos, decoder_start_token_id=self._start
        )

    def prepare(self, case: Case) -> None:
        """Nothing: tensors are made in the run, as padding depends on how it is cut."""

    def run(self, case: Case, options: Mapping[str, Any]) -> Any:
        """What was generated, sentence by sentence."""
        rows, scored = options.get("rows", 0), options.get("scored", False)
        return [each for batch in case.batches for each in self._batch(case, batch, rows, scored)]

    def answers(self, case: Case, result: Any) -> Answers:
        """Without the start and what follows eos."""
        return [self._cut(row[1:]) for row, _ in result]

    def scores(self, case: Case, result: Any) -> list[float]:
        """Mean log-probability of each answer's pieces, if the run was `scored`."""
        return [score for _, score in result]

    @torch.inference_mode()
    def margins(
        self,
        source: Sequence[int],
        ours: Sequence[int],
        theirs: Sequence[int],
        forced: int | None = None,
    ) -> Json:
        """By how much this model prefers `theirs` to `ours`, in natural logarithms.

        `step`: of the two pieces at the first place that differs, given what is the same before.
        `score`: of the whole answers, each the mean of its pieces, as beam search ranks them; a
        forced first piece counts as one of probability 1.
        """
        first, second = self._logprobs(source, theirs), self._logprobs(source, ours)
        if forced is not None:
            first[0] = second[0] = 0.0
        pairs = zip(theirs, ours, strict=False)
        place = next((i for i, (a, b) in enumerate(pairs) if a != b), None)
        step = None if place is None else first[place] - second[place]
        score = sum(first) / len(first) - sum(second) / len(second)
        return {"place": place, "step": step, "score": score}

    def _logprobs(self, source: Sequence[int], target: Sequence[int]) -> list[float]:
        """Of each piece of `target`, given those before."""
        before = torch.tensor([[self._start, *target[:-1]]])
        logits = self._model(
            input_ids=torch.tensor([list(source)]), decoder_input_ids=before
        ).logits
        taken = logits[0].log_softmax(-1).gather(1, torch.tensor(target)[:, None])
        logprobs: list[float] = taken[:, 0].tolist()
        return logprobs

    @torch.inference_mode()
    def _batch(
        self, case: Case, batch: Sequence[Sequence[int]], rows: int, scored: bool
    ) -> list[Generated]:
        order = sorted(range(len(batch)), key=lambda place: -len(batch[place]))
        rows = rows or len(batch)
        found: dict[int, Generated] = {}
        for begin in range(0, len(order), rows):
            places = order[begin : begin + rows]
            answers = self._generate(case, [batch[place] for place in places], scored)
            found.update(zip(places, answers, strict=True))
        return [found[place] for place in range(len(batch))]

    def _generate(
        self, case: Case, sources: Sequence[Sequence[int]], scored: bool
    ) -> list[Generated]:
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
            forced_bos_token_id=case.forced,
            return_dict_in_generate=True,
            output_scores=scored and case.beams > 1,
            output_logits=scored and case.beams == 1,
        )
        rows: list[list[int]] = output.sequences.tolist()
        scores = self._scores(case, output, rows) if scored else [0.0] * len(rows)
        return list(zip(rows, scores, strict=True))

    def _scores(self, case: Case, output: Any, rows: Sequence[Sequence[int]]) -> list[float]:
        if case.beams > 1:
            beams: list[float] = output.sequences_scores.tolist()
            return beams
        # Of the model's own logits, as beam search does: what is banned keeps its share.
        taken = self._model.compute_transition_scores(
            output.sequences, output.logits, normalize_logits=True
        )
        unscored = 0 if case.forced is None else 1
        sizes = [len(self._cut(row[1:])) for row in rows]
        pairs = zip(taken.tolist(), sizes, strict=True)
        return [sum(row[unscored:size]) / size for row, size in pairs]

    def _cut(self, row: Sequence[int]) -> list[int]:
        end = row.index(self._eos) + 1 if self._eos in row else len(row)
        return [each for each in row[:end] if each != self._pad]


if __name__ == "__main__":
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    transformers = Transformers()
    serve(transformers, judge=transformers)
