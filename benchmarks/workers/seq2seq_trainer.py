"""Transformers' Seq2SeqTrainer on the task of the comparison."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from typing import Any

import datasets
import torch
from torch import Tensor
from transformers import (
    MarianMTModel,
    Seq2SeqTrainer,
    Seq2SeqTrainingArguments,
    TrainerCallback,
)

from benchmarks.common import Json
from benchmarks.training_task import Task
from lingraft.training.models.tensors import IGNORED, pad_rows
from lingraft.training.run.loop import learning_rate

_NEVER = 1_000_000  # updates; the count of target tokens ends a run


def train(task: Task, model: MarianMTModel, clock: Any, request: Json) -> None:
    """Trains `model` until the wanted target tokens were seen; `clock` (training.Clock) times it.

    The request's options: attention, accumulation (batches of an update), optimiser, workers.
    """
    model.set_attn_implementation(request["options"]["attention"])

    class Counting(Seq2SeqTrainer):  # type: ignore[misc]
        def training_step(self, model: Any, inputs: dict[str, Tensor], *more: Any) -> Any:
            clock.count(int((inputs["labels"] != IGNORED).sum()))
            return super().training_step(model, inputs, *more)

        def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> Any:
            # Its own schedules begin with an update at a rate of zero.
            peak = task.settings.learning_rate
            self.lr_scheduler = torch.optim.lr_scheduler.LambdaLR(
                optimizer or self.optimizer,
                lambda done: learning_rate(task.settings, done + 1) / peak,
            )
            return self.lr_scheduler

    class Ending(TrainerCallback):  # type: ignore[misc]
        def on_step_end(self, args: Any, state: Any, control: Any, **more: Any) -> None:
            clock.update()
            control.should_training_stop = clock.tokens >= request["target_tokens"]

    with tempfile.TemporaryDirectory() as folder:
        Counting(
            model=model,
            args=_arguments(task, request, folder),
            train_dataset=_dataset(task),
            data_collator=lambda rows: _collate(rows, task.pad),
            callbacks=[Ending()],
        ).train()


def _arguments(task: Task, request: Json, folder: str) -> Seq2SeqTrainingArguments:
    settings, options = task.settings, request["options"]
    return Seq2SeqTrainingArguments(
        output_dir=folder,
        use_cpu=not torch.cuda.is_available(),
        bf16=settings.precision == "bf16",
        max_steps=_NEVER,
        per_device_train_batch_size=max(1, round(task.sentences / options["accumulation"])),
        gradient_accumulation_steps=options["accumulation"],
        learning_rate=settings.learning_rate,
        label_smoothing_factor=settings.label_smoothing,
        optim=options["optimiser"],
        adam_beta1=0.9,
        adam_beta2=0.98,
        weight_decay=settings.weight_decay,
        max_grad_norm=settings.clip_norm,
        train_sampling_strategy="group_by_length",
        dataloader_num_workers=options["workers"],
        dataloader_pin_memory=False,
        logging_strategy="no",
        save_strategy="no",
        eval_strategy="no",
        report_to="none",
        disable_tqdm=True,
        seed=request["seed"],
    )


def _dataset(task: Task) -> datasets.Dataset:
    """Ids with the length of the longer side, by which the trainer groups."""
    places = range(len(task.train))
    columns = {
        "input_ids": [task.train.source(i) for i in places],
        "labels": [task.train.target(i) for i in places],
        "length": task.train.lengths.tolist(),
    }
    return datasets.Dataset.from_dict(columns).with_format("numpy")


def _collate(rows: Sequence[dict[str, Any]], pad: int) -> dict[str, Tensor]:
    """Faster than DataCollatorForSeq2Seq, which goes through a tokenizer."""
    source = pad_rows([row["input_ids"] for row in rows], pad)
    targets = [row["labels"] for row in rows]
    start = pad_rows([[pad, *row[:-1]] for row in targets], pad)
    return {
        "input_ids": source,
        "attention_mask": (source != pad).long(),
        "decoder_input_ids": start,
        "labels": pad_rows(targets, IGNORED),
    }
