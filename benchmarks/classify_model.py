"""The classifier of the comparison in every form: `python -m benchmarks.classify_model FOLDER`.

XLM-RoBERTa base's sizes with random weights, the same ones every time. Its tokenizer has one piece
for each id: texts come as ids here, and a bundle must have a tokenizer all the same.
"""

from __future__ import annotations

import shutil
import sys
import warnings
from pathlib import Path
from typing import Any

import tokenizers
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from tokenizers.models import WordLevel
from tokenizers.processors import TemplateProcessing
from transformers import (
    PreTrainedTokenizerFast,
    XLMRobertaConfig,
    XLMRobertaForSequenceClassification,
)

from benchmarks.layout import bundle_folder, torch_folder
from benchmarks.workers.classify import PLAIN_FILE
from lingraft.training.stock.classifier import export_classifier_checkpoint
from lingraft.v1 import bundle_pb2 as pb

VOCABULARY = 250_002
_LABELS = 4
_OPSET = 17  # the ordinary export's default of recent years


def main(folder: Path) -> None:
    """Writes the checkpoint, the plain int8 graph and the bundle to `folder`, anew."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    torch.manual_seed(0)
    model = XLMRobertaForSequenceClassification(_config()).eval()
    model.save_pretrained(torch_folder(folder))
    _tokenizer().save_pretrained(torch_folder(folder))
    _plain(model, folder)
    del model
    facts = pb.Bundle(name="random", version="1", licence="Apache-2.0")
    facts.data_sources.add(name="none: random weights", licence="Apache-2.0")
    precisions = (pb.PRECISION_INT8,)
    export_classifier_checkpoint(torch_folder(folder), bundle_folder(folder), facts, precisions)


def _config() -> XLMRobertaConfig:
    return XLMRobertaConfig(
        vocab_size=VOCABULARY,
        max_position_embeddings=514,
        type_vocab_size=1,
        layer_norm_eps=1e-5,
        num_labels=_LABELS,
        bos_token_id=0,
        pad_token_id=1,
        eos_token_id=2,
    )


def _tokenizer() -> PreTrainedTokenizerFast:
    special = {"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3}
    words = {f"w{number}": number for number in range(len(special), VOCABULARY)}
    own = tokenizers.Tokenizer(WordLevel({**special, **words}, unk_token="<unk>"))
    own.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
    ends = [("<s>", 0), ("</s>", 2)]
    own.post_processor = TemplateProcessing(single="<s> $A </s>", special_tokens=ends)
    names = {"bos_token": "<s>", "pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"}
    return PreTrainedTokenizerFast(tokenizer_object=own, model_max_length=512, **names)


def _plain(model: Any, folder: Path) -> None:
    """What most do: PyTorch's exporter, then ONNX Runtime's quantiser with int8 weights."""
    fp32 = folder / "plain.fp32.onnx"
    ids = torch.randint(5, 1000, (2, 9))
    names = ["input_ids", "attention_mask"]
    sizes = {0: "batch", 1: "length"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            _Logits(model),
            (ids, torch.ones_like(ids)),
            str(fp32),
            input_names=names,
            output_names=["logits"],
            dynamic_axes=dict.fromkeys(names, sizes),
            opset_version=_OPSET,
            dynamo=False,
        )
    quantize_dynamic(str(fp32), str(folder / PLAIN_FILE), weight_type=QuantType.QInt8)
    fp32.unlink()


class _Logits(torch.nn.Module):
    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> Any:
        """Logits [B,C]."""
        return self.model(input_ids=ids, attention_mask=mask).logits


if __name__ == "__main__":
    main(Path(sys.argv[1]))
