"""A stock checkpoint: its folder, here or from the hub, and its model in fp32."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import huggingface_hub
import torch
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError
from transformers import AutoConfig, AutoModelForSeq2SeqLM
from transformers.utils.logging import disable_progress_bar

from lingraft.training.errors import ParentError
from lingraft.training.export.families import family_of

disable_progress_bar()  # of loading weights

_CONFIG_FILE = "config.json"
_SMALL_FILES = ["*.json", "*.spm", "*.model"]
_WEIGHTS = ("*.safetensors", "pytorch_model*.bin")  # of these, the first kind that is there


def find_folder(location: str) -> Path:
    """The folder of a checkpoint: `location` itself, or the hub's copy of that id.

    Raises:
        ParentError: it is neither a folder with a configuration nor a hub id that can be had.
    """
    folder = Path(location)
    if (folder / _CONFIG_FILE).is_file():
        return folder
    if folder.exists() or location.count("/") != 1:
        raise ParentError(
            f"{location!r} is no folder with a {_CONFIG_FILE}; give the folder of a checkpoint or "
            "a hub id OWNER/NAME"
        )
    return _from_hub(location)


def load_model(folder: Path) -> Any:
    """The conditional generation model of a checkpoint, in fp32 on the CPU, for evaluation.

    Raises:
        ExportError: it is of no family that can be exported.
        ParentError: it cannot be loaded.
    """
    try:
        config = AutoConfig.from_pretrained(str(folder))
        family_of(config)
        model = AutoModelForSeq2SeqLM.from_pretrained(
            str(folder), dtype=torch.float32, attn_implementation="eager"
        )
    except (OSError, ValueError, KeyError) as error:
        reason = str(error).splitlines()[0]
        raise ParentError(f"{folder}: no model can be loaded from it: {reason}") from None
    return _with_start(model.eval())


def digests(folder: Path) -> dict[str, str]:
    """SHA-256 of every file of weights, lower-case hex."""
    found = {}
    for path in sorted(path for pattern in _WEIGHTS for path in folder.glob(pattern)):
        with path.open("rb") as file:
            found[path.name] = hashlib.file_digest(file, "sha256").hexdigest()
    return found


def _with_start(model: Any) -> Any:
    """Some families keep the decoder's first piece with the settings of generation alone."""
    config = model.config
    if getattr(config, "decoder_start_token_id", None) is None:
        start = model.generation_config.decoder_start_token_id
        config.decoder_start_token_id = config.pad_token_id if start is None else start
    return model


def _from_hub(location: str) -> Path:
    """Downloads the small files, then weights of one kind."""
    try:
        folder = Path(huggingface_hub.snapshot_download(location, allow_patterns=_SMALL_FILES))
        for pattern in _WEIGHTS:
            huggingface_hub.snapshot_download(location, allow_patterns=[pattern])
            if any(folder.glob(pattern)):
                break
    except (LocalEntryNotFoundError, HfHubHTTPError, HFValidationError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise ParentError(f"{location!r}: the hub did not give it: {reason}") from None
    return folder
