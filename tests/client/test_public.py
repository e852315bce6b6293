"""What users of the client may rely on."""

from __future__ import annotations

import subprocess
import sys

import lingraft.client
import lingraft.doors

PUBLIC = """
AccessError AlignmentLink Alternative ArgumentError AsyncClient Calibration CallCancelledError
Classification Client ClientConfig ClientError DeadlineError Decoding Details EmptyTextError
ExhaustedError Health InputTooLongError InvalidArgumentError Label LanguageCandidate
LanguageDetection LanguagePair LanguageRequiredError LanguageUnsupportedError Metric Model
ModelCard ModelNotFoundError NotFoundError OptionUnsupportedError Quality QueueFullError Sentence
ServerFaultError ServiceError Span TooManyTextsError TransferReport Translation UnavailableError
UnimplementedError Violation WordScore
"""

# Third-party packages that are loaded by the client and not by grpc and protobuf themselves.
LOADED = """
import sys
import grpc, grpc.aio, google.protobuf.json_format
before = {name.partition(".")[0] for name in sys.modules}
import lingraft.client, lingraft.client.cli
after = {name.partition(".")[0] for name in sys.modules}
print(*sorted(after - before - set(sys.stdlib_module_names)))
print(*sorted(name for name in sys.modules if name.startswith("lingraft.")))
"""


def test_the_public_names_are_frozen() -> None:
    """A name is added on purpose, and none goes away unnoticed."""
    assert lingraft.client.__all__ == PUBLIC.split()
    assert all(hasattr(lingraft.client, name) for name in lingraft.client.__all__)
    assert lingraft.doors.__all__ == ["Door", "find_doors"]


def test_the_client_imports_grpc_and_protobuf_and_nothing_more() -> None:
    """A base install is all that the client and its command need."""
    done = subprocess.run(
        [sys.executable, "-c", LOADED], capture_output=True, text=True, check=True, timeout=60
    )
    packages, parts = done.stdout.splitlines()
    assert packages == "lingraft"
    assert {name.split(".")[1] for name in parts.split()} == {"client", "v1"}
