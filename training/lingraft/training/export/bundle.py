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
_CHUNK = 1 << 24  # bytes of a file that are read at once


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
    found, faults = _fingerprints(files)
    complete = Bundle()
    complete.CopyFrom(manifest)
    del complete.files[:]
    complete.files.extend(found)
    if faults := [*faults, *gaps(complete)]:
        listed = "".join(f"\n  - {fault}" for fault in faults)
        raise ExportError(f"the bundle {folder} was not written, its manifest is faulty:{listed}")
    with _replacing(folder) as draft:
        for path, content in files.items():
            _write(draft / path, content)
        _write(draft / MANIFEST_FILE, manifest_json(complete).encode())
    return complete


def manifest_json(manifest: Bundle) -> str:
    """Content of `bundle.json`: proto3 JSON, letters of all languages written as themselves."""
    return MessageToJson(manifest, indent=2, ensure_ascii=False) + "\n"


@contextlib.contextmanager
def working_folder(folder: Path) -> Iterator[Path]:
    """A folder beside that of a bundle, for its larger files until they are written.

    Raises:
        ExportError: it cannot be made, or `folder` holds something that is no bundle.
    """
    _refuse_foreign(folder)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        work = tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent)
    except OSError as error:
        raise ExportError(f"the bundle {folder} could not be written: {error}") from error
    with work as name:
        yield Path(name)


def _fingerprints(files: Mapping[str, Content]) -> tuple[list[BundleFile], list[str]]:
    """Fingerprints in the order of paths, and a fault for every file that cannot be read."""
    found, faults = [], []
    for path, content in sorted(files.items()):
        if not is_bundle_path(path):
            faults.append(f"{path!r} is not a path inside the bundle")
            continue
        try:
            found.append(_fingerprint(path, content))
        except OSError as error:
            faults.append(f"{path} cannot be read from {content!r}: {error.strerror}")
    return found, faults


def _fingerprint(path: str, content: Content) -> BundleFile:
    digest, size = hashlib.sha256(), 0
    for chunk in _chunks(content):
        digest.update(chunk)
        size += len(chunk)
    return BundleFile(path=path, size_bytes=size, sha256=digest.hexdigest())


def _chunks(content: Content) -> Iterator[bytes]:
    """The content in parts: files may be larger than memory wants to hold."""
    if isinstance(content, bytes):
        yield content
        return
    with content.open("rb") as file:
        while chunk := file.read(_CHUNK):
            yield chunk


def _write(path: Path, content: Content) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.writelines(_chunks(content))
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
