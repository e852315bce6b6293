"""`lingraft-train export`: from a checkpoint to a bundle, or one message that says why not."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from transformers import T5Config
from transformers.models.t5.modeling_t5 import T5Attention

from lingraft.server.bundle import read_bundle
from lingraft.training.cli import main
from lingraft.training.errors import ExportError, ParentError
from lingraft.training.export.families import family_of
from lingraft.training.export.families.t5 import T5, bucket
from lingraft.training.stock.checkpoint import find_folder
from lingraft.training.stock.export import StockExport, export_stock
from lingraft.training.stock.languages import by_language, is_language
from lingraft.v1 import bundle_pb2 as pb
from lingraft.v1.common_pb2 import PAIR_STATUS_NOT_STATED

Checkpoint = Callable[[str], Path]


def test_the_command_writes_a_bundle_that_the_server_reads(
    checkpoint: Checkpoint, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Names, pairs, precisions and licence are those asked for; the losses are printed."""
    target = tmp_path / "bundle"
    arguments = ["export", str(checkpoint("nllb")), "-o", str(target), "--name", "small"]
    arguments += ["--pairs", "en-yo,en:zh-Hant", "--precisions", "int8,fp32"]
    assert main([*arguments, "--licence", "CC-BY-NC-4.0", "--source-name", "OPUS"]) == 0
    bundle = read_bundle(target)
    assert (bundle.name, [each.value for each in (g.precision for g in bundle.graphs)]) == (
        "small",
        ["int8", "fp32"],
    )
    assert [(pair.source, pair.target) for pair in bundle.pairs] == [
        ("en", "yo"),
        ("en", "zh-Hant"),
    ]
    manifest = json.loads(bundle.manifest)
    assert manifest["dataSources"] == [{"name": "OPUS", "licence": "CC-BY-NC-4.0"}]
    assert manifest["licence"] == "CC-BY-NC-4.0"
    printed = capsys.readouterr().out
    assert "m2m_100, 2 pairs" in printed
    assert "fp32: 100.0% of answers as PyTorch's" in printed


def test_a_manifest_claims_nothing_that_nobody_knows(family: Any) -> None:
    """What the checkpoint does not say is not stated, and what was measured on is."""
    bundle = family.bundle
    assert {pair.status for pair in bundle.pairs} == {PAIR_STATUS_NOT_STATED}
    assert [source.name for source in bundle.data_sources] == ["not stated"]
    assert bundle.licence == "not stated"
    assert not bundle.parent
    losses = [graphs.quality_loss for graphs in bundle.graphs]
    assert {loss.test_set for loss in losses} == {"random pieces"}
    assert {loss.signature for loss in losses} == {
        "against the translations of the fp32 model itself"
    }
    told = json.loads((family.folder / "checkpoint.json").read_text(encoding="utf-8"))
    assert len(told["weights_sha256"]["model.safetensors"]) == 64
    assert str(family.checkpoint.parent) not in json.dumps(told)
    card = (family.folder / "README.md").read_text(encoding="utf-8")
    assert "does not say what it was trained on" in card


def test_all_pairs_are_what_the_tokenizer_names(exported: Callable[[str], Any]) -> None:
    """A single pair, one source with several targets."""

    def pairs(name: str) -> list[tuple[str, str]]:
        bundle = exported(name).bundle
        return [(pair.source_language, pair.target_language) for pair in bundle.pairs]

    assert pairs("marian") == [("en", "de")]
    assert pairs("marian_tagged") == [("en", "fr"), ("en", "zh"), ("en", "yo")]


def test_prefixes_come_from_the_checkpoint_then_from_t5s_own_names(
    exported: Callable[[str], Any],
) -> None:
    """mT5 and all others have none."""

    def prefixes(name: str) -> list[str]:
        return [pair.source_prefix for pair in exported(name).bundle.pairs]

    assert prefixes("t5") == ["translate English to French: ", "translate English to German: "]
    assert prefixes("mt5") == [""]


@pytest.mark.parametrize("referenced", [False, True], ids=["plain", "with references"])
def test_dev_text_is_measured_on_and_named(
    referenced: bool, checkpoint: Checkpoint, tmp_path: Path
) -> None:
    """By its file's name, without its folder."""
    dev = tmp_path / "dev.txt"
    ending = "\tTee, bitte." if referenced else ""
    dev.write_text("".join(f"{text}{ending}\n" for text in ("Bread", "Tea, please")))
    asked = StockExport(str(checkpoint("marian")), tmp_path / "bundle", dev=dev)
    loss = export_stock(asked).graphs[1].quality_loss
    assert (loss.test_set, loss.size) == ("dev.txt", 2)
    assert bool(loss.signature) is not referenced


@pytest.mark.parametrize(
    ("name", "arguments", "faults"),
    [
        (
            "nllb",
            ["--pairs", "en-qq,xx-yo,en"],
            ["no tag for qq", "no tag for xx", "two languages"],
        ),
        ("marian", ["--precisions", "fp32,q3,q4"], ["q3, q4"]),
        ("mt5", [], ["give --pairs"]),
        ("t5", ["--pairs", "en-yo,en-fr,yo-de"], ["en-yo, yo-de"]),
        ("t5", ["--pairs", "en-fr,fr-en", "--prefix", "x: "], ["name one pair"]),
        ("marian", ["--dev", "nowhere.txt"], ["nowhere.txt"]),
        ("marian", ["--name", "Big Model"], ["'Big Model'"]),
    ],
)
def test_a_mistake_is_one_message_that_names_every_fault(
    name: str,
    arguments: list[str],
    faults: list[str],
    checkpoint: Checkpoint,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """And nothing is written."""
    target = tmp_path / "bundle"
    assert main(["export", str(checkpoint(name)), "-o", str(target), *arguments]) == 1
    message = capsys.readouterr().err
    assert all(fault in message for fault in faults), message
    assert "Traceback" not in message
    assert not target.exists()


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"model_type": "bart", "architectures": ["BartForConditionalGeneration"]}, "a bart model"),
        ({"activation_function": "tanh"}, "'tanh'"),
        ({"eos_token_id": 7}, "eos is 0 in the tokenizer, 7 in the model"),
    ],
)
def test_a_checkpoint_that_no_graph_computes_is_refused(
    change: dict[str, Any], fault: str, checkpoint: Checkpoint, tmp_path: Path
) -> None:
    """By what it asks for."""
    folder = tmp_path / "checkpoint"
    shutil.copytree(checkpoint("marian"), folder)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8")) | change
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(ExportError, match=fault):
        export_stock(StockExport(str(folder), tmp_path / "bundle"))


def test_a_tokenizer_of_the_old_nllb_kind_is_refused(
    checkpoint: Checkpoint, tmp_path: Path
) -> None:
    """Its tags stand where the model does not look for them."""
    folder = tmp_path / "checkpoint"
    shutil.copytree(checkpoint("nllb"), folder)
    path = folder / "tokenizer_config.json"
    settings = json.loads(path.read_text(encoding="utf-8")) | {"legacy_behaviour": True}
    path.write_text(json.dumps(settings), encoding="utf-8")
    with pytest.raises(ExportError, match="legacy_behaviour"):
        export_stock(StockExport(str(folder), tmp_path / "bundle", pairs=("en-yo",)))


@pytest.mark.parametrize("location", ["nowhere", "a/b/c", "owner/name"])
def test_a_checkpoint_that_is_nowhere_is_named(location: str) -> None:
    """Neither a folder nor, offline, a hub id."""
    with pytest.raises(ParentError, match=location):
        find_folder(location)


def test_unknown_settings_of_t5_are_all_named() -> None:
    """One error."""
    config = SimpleNamespace(model_type="t5", dense_act_fn="tanh", d_kv=12)
    with pytest.raises(ExportError, match=r"'tanh'.*d_kv 12"):
        T5.of(config)
    with pytest.raises(ExportError, match="a bert model"):
        family_of(SimpleNamespace(model_type="bert"))


@pytest.mark.parametrize(("buckets", "farthest"), [(32, 128), (8, 20), (16, 100)])
def test_distances_fall_into_the_buckets_of_transformers(buckets: int, farthest: int) -> None:
    """In both directions, at every distance."""
    find = T5Attention._relative_position_bucket
    distances = np.arange(-200, 201)
    theirs = find(torch.from_numpy(distances), True, buckets, farthest).numpy()
    half = buckets // 2
    ours = bucket(np.abs(distances), half, farthest) + half * (distances > 0)
    np.testing.assert_array_equal(ours, theirs)
    past = np.arange(201)
    theirs = find(torch.from_numpy(-past), False, buckets, farthest).numpy()
    np.testing.assert_array_equal(bucket(past, buckets, farthest), theirs)


def test_t5_v1_1_and_mt5_do_not_scale_the_head() -> None:
    """As their configurations say, each in its own way."""
    sizes: dict[str, Any] = {"d_model": 16, "d_kv": 8, "num_heads": 2}
    assert T5.of(T5Config(**sizes)).head_scale == 0.25
    assert T5.of(T5Config(**sizes, tie_word_embeddings=False)).head_scale == 1.0


def test_codes_become_bcp_47() -> None:
    """The shortest code; a script only where it tells languages apart; regions only of opus-mt."""
    nllb = ["yor_Latn", "arb_Arab", "zho_Hans", "zho_Hant", "kas_Arab", "kas_Deva", "swh_Latn"]
    assert by_language(nllb) == {
        "yo": "yor_Latn",
        "ar": "arb_Arab",
        "zh": "zho_Hans",
        "zh-Hant": "zho_Hant",
        "ks": "kas_Arab",
        "ks-Deva": "kas_Deva",
        "sw": "swh_Latn",
    }
    assert by_language(["en", "ns", "ceb"]) == {"en": "en", "nso": "ns", "ceb": "ceb"}
    assert by_language(["de_DE", "en_XX", "pt_XX"]) == {"de": "de_DE", "en": "en_XX", "pt": "pt_XX"}
    assert by_language([">>haw<<", ">>pt_BR<<", ">>fra<<"]) == {
        "haw": ">>haw<<",
        "pt-BR": ">>pt_BR<<",
        "fr": ">>fra<<",
    }
    assert is_language("eng")
    assert not is_language("ROMANCE")


def test_every_language_of_the_stock_tokenizers_has_a_name_of_its_own() -> None:
    """No code of NLLB-200, M2M100 or mBART-50 hides another."""
    from transformers.models.m2m_100 import tokenization_m2m_100 as m2m
    from transformers.models.mbart50 import tokenization_mbart50 as mbart
    from transformers.models.nllb import tokenization_nllb as nllb

    for codes in (
        nllb.FAIRSEQ_LANGUAGE_CODES,
        m2m.FAIRSEQ_LANGUAGE_CODES["m2m100"],
        mbart.FAIRSEQ_LANGUAGE_CODES,
    ):
        assert len(by_language(codes)) == len(codes)


def test_placements_of_the_families(exported: Callable[[str], Any]) -> None:
    """What bundle.proto says of each."""
    placements = {
        "nllb": pb.TAG_PLACEMENT_SOURCE_AND_TARGET,
        "m2m100": pb.TAG_PLACEMENT_SOURCE_AND_TARGET,
        "mbart50": pb.TAG_PLACEMENT_SOURCE_AND_TARGET,
        "marian_tagged": pb.TAG_PLACEMENT_TARGET_IN_SOURCE,
        "marian": pb.TAG_PLACEMENT_NONE,
        "mt5": pb.TAG_PLACEMENT_NONE,
    }
    found = {name: exported(name).bundle.tag_placement for name in placements}
    assert found == placements
