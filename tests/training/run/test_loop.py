"""The loop: deterministic, fair to every example, stopped by dev, averaged at the end."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from transformers import MarianMTModel

from lingraft.training.models.marian import TranslationLoss, average, digest_of, weights_of
from lingraft.training.recipe.recipes import Training
from lingraft.training.run.checkpoint import State
from lingraft.training.run.loop import Batch, learning_rate

Run = Callable[..., tuple[State, TranslationLoss]]
Make = Callable[[], TranslationLoss]


class _Drawing(TranslationLoss):
    """Notes a random number of every step."""

    def __init__(self, model: MarianMTModel) -> None:
        super().__init__(model, smoothing=0.1)
        self.drawn: list[float] = []

    def forward(self, batch: Batch) -> tuple[Tensor, Tensor]:
        self.drawn.append(float(torch.rand(1)))
        return super().forward(batch)


def _snapshots(folder: Path) -> list[dict[str, Tensor]]:
    return [load_file(path) for path in sorted((folder / "snapshots").iterdir())]


def _same(left: dict[str, Tensor], right: dict[str, Tensor]) -> bool:
    return left.keys() == right.keys() and all(torch.equal(left[k], right[k]) for k in left)


def test_the_same_seed_gives_the_same_weights(train: Run) -> None:
    """To the last bit, dropout included; another seed gives others."""
    digests = [digest_of(train(str(i), seed=seed)[1]) for i, seed in enumerate((1, 1, 2))]
    assert digests[0] == digests[1] != digests[2]


def test_every_step_draws_numbers_of_its_own(train: Run, make_module: Make) -> None:
    """From seed and step alone, so that a resumed run draws what it would have drawn."""
    drawn = []
    for seed in (1, 2):
        _, module = train(str(seed), seed=seed, make=lambda: _Drawing(make_module().model))
        assert isinstance(module, _Drawing)
        drawn += module.drawn
    assert len(set(drawn)) == len(drawn) == 2 * 12


def test_every_epoch_sees_everything_in_another_order(train: Run) -> None:
    """Batch after batch, epoch after epoch."""
    seen: list[list[int]] = []
    state, _ = train(seen=seen)
    order = [index for batch in seen for index in batch]
    first, second = order[:40], order[40:80]
    assert sorted(first) == sorted(second) == list(range(40))
    assert first != second
    assert (state.epoch, state.step) == (2, len(seen))


def test_it_ends_with_the_mean_of_the_last_snapshots(train: Run, tmp_path: Path) -> None:
    """Where the mean is no worse on dev than the best evaluation."""
    _, module = train()
    last = _snapshots(tmp_path / "run")
    assert len(last) == 2
    mean = {name: (last[0][name].double() + last[1][name]) / 2 for name in last[0]}
    assert _same(weights_of(module), {name: tensor.float() for name, tensor in mean.items()})
    assert _same(average(last[:1]), last[0])


def test_it_ends_with_the_best_weights_where_the_mean_is_worse(train: Run, tmp_path: Path) -> None:
    """Dev decides: 2.0 at step 4, 1.0 at steps 8 and 12, 1.5 for the mean."""
    state, module = train(score=iter((2.0, 1.0, 1.0, 1.5)).__next__)
    assert state.best_step == 4
    assert _same(weights_of(module), load_file(tmp_path / "run" / "best.safetensors"))


def test_it_stops_when_dev_stops_improving(train: Run) -> None:
    """After `patience` evaluations without a better score, long before the last step."""
    state, _ = train(score=iter((1.0, 3.0, 3.0, 2.0, 0.0)).__next__, max_steps=100, patience=2)
    assert (state.step, state.best_step, state.finished) == (16, 8, True)
    assert state.scores == [(4, 1.0), (8, 3.0), (12, 3.0), (16, 2.0)]


def test_milestones_are_kept_in_half_precision(train: Run, tmp_path: Path) -> None:
    """At the wanted shares of the run, at least at its first step."""
    train(milestones=[3, 50, 100], score=iter((1.0, 2.0, 3.0, 0.0)).__next__)
    folder = tmp_path / "run" / "milestones"
    names = ["003.0.safetensors", "050.0.safetensors", "100.0.safetensors"]
    assert sorted(path.name for path in folder.iterdir()) == names
    kept = load_file(folder / names[2])
    assert {tensor.dtype for tensor in kept.values()} == {torch.float16}
    last = _snapshots(tmp_path / "run")[-1]
    assert _same(kept, {name: tensor.half() for name, tensor in last.items()})


def test_the_padding_row_stays_exactly_zero(train: Run) -> None:
    """CTranslate2 relies on it, and so does the tied output layer."""
    _, module = train()
    assert isinstance(module, TranslationLoss)
    embeddings = module.model.get_input_embeddings().weight
    assert torch.count_nonzero(embeddings[19]) == 0
    assert torch.count_nonzero(embeddings[:19]) > 0


def test_one_process_may_train_in_two_precisions(train: Run) -> None:
    """bf16 multiplies, but weights stay fp32; the run after it in fp32 is untouched by it."""
    before = digest_of(train("before")[1])
    _, module = train("bf16", precision="bf16")
    assert {parameter.dtype for parameter in module.parameters()} == {torch.float32}
    assert digest_of(module) != before
    assert digest_of(train("after")[1]) == before


def test_precision_is_chosen_by_the_machine_unless_asked_for(train: Run) -> None:
    """`auto` is one of the two, on every machine."""
    digests = [digest_of(train(p, precision=p)[1]) for p in ("auto", "fp32", "bf16")]
    assert digests[0] in digests[1:]


def test_the_rate_warms_up_and_falls() -> None:
    """Linear to the peak; then inverse square root, linear to a hundredth, or constant."""
    settings = Training(learning_rate=0.5, warmup_steps=10, max_steps=110)
    for schedule in ("inverse_sqrt", "linear", "constant"):
        rates = settings.model_copy(update={"schedule": schedule})
        assert learning_rate(rates, 1) == pytest.approx(0.05)
        assert learning_rate(rates, 10) == pytest.approx(0.5)
    assert learning_rate(settings, 40) == pytest.approx(0.25)
    linear = settings.model_copy(update={"schedule": "linear"})
    assert learning_rate(linear, 60) == pytest.approx(0.25)
    assert learning_rate(linear, 110) == pytest.approx(0.005)
    assert learning_rate(settings.model_copy(update={"schedule": "constant"}), 99) == 0.5
