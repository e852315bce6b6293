"""Writes a bundle: all of it, or nothing."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from google.protobuf.json_format import MessageToJson

from lingraft.training.errors import ExportError
from lingraft.training.export.manifest import MANIFEST_FILE, gaps, is_bundle_path
from lingraft.v1.bundle_pb2 import Bundle, BundleFile

Content = bytes | Path


def write_bundle(folder: Path, manifest: Bundle, files: Mapping[str, Content]) -> Bundle:
    """Write `files` and their manifest to `folder`; the same inputs give the same bytes.

    A bundle that is there already is replaced once the new one is complete; until then it is left
    as it is.

    Args:
        folder: the bundle's folder; its parents are made.
        manifest: everything but `files`, which is filled in here.
        files: content, or the file to copy it from, by path inside the bundle.

    Returns:
        The manifest as written.

    Raises:
        ExportError: names everything that is missing or contradictory, or says that `folder` holds
            something that is no bundle.
    """
    contents, faults = _read(files)
    complete = Bundle()
    complete.CopyFrom(manifest)
    del complete.files[:]
    complete.files.extend(_fingerprint(path, contents[path]) for path in sorted(contents))
    if faults := [*faults, *gaps(complete)]:
        listed = "".join(f"\n  - {fault}" for fault in faults)
        raise ExportError(f"the bundle {folder} was not written, its manifest is faulty:{listed}")
    with _replacing(folder) as draft:
        for path, content in contents.items():
            _write(draft / path, content)
        _write(draft / MANIFEST_FILE, manifest_json(complete).encode())
    return complete


def manifest_json(manifest: Bundle) -> str:
    """Content of `bundle.json`: proto3 JSON, letters of all languages written as themselves."""
    return MessageToJson(manifest, indent=2, ensure_ascii=False) + "\n"


def _read(files: Mapping[str, Content]) -> tuple[dict[str, bytes], list[str]]:
    """Contents by path, and a fault for every one that cannot be read."""
    contents, faults = {}, []
    for path, content in files.items():
        if not is_bundle_path(path):
            faults.append(f"{path!r} is not a path inside the bundle")
            continue
        try:
            contents[path] = content if isinstance(content, bytes) else content.read_bytes()
        except OSError as error:
            faults.append(f"{path} cannot be read from {content!r}: {error.strerror}")
    return contents, faults


def _fingerprint(path: str, content: bytes) -> BundleFile:
    digest = hashlib.sha256(content).hexdigest()
    return BundleFile(path=path, size_bytes=len(content), sha256=digest)


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


@contextlib.contextmanager
def _replacing(folder: Path) -> Iterator[Path]:
    """A draft folder beside `folder` that takes its place at the end, or none if an error comes."""
    try:
        _refuse_foreign(folder)
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as work:
            draft = Path(work, "new")  # not `work` itself, which only its owner may read
            draft.mkdir()
            yield draft
            _swap(draft, folder, Path(work, "old"))
    except OSError as error:
        raise ExportError(f"the bundle {folder} could not be written: {error}") from error


def _swap(draft: Path, folder: Path, old: Path) -> None:
    if folder.exists():
        folder.rename(old)
    try:
        draft.rename(folder)
    except OSError:
        if old.exists():
            old.rename(folder)
        raise


def _refuse_foreign(folder: Path) -> None:
    if not folder.exists():
        return
    if not folder.is_dir():
        raise ExportError(f"{folder} is a file; name a folder for the bundle")
    if any(folder.iterdir()) and not (folder / MANIFEST_FILE).is_file():
        raise ExportError(f"{folder} holds files but no {MANIFEST_FILE}; name another folder")
