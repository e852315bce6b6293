"""The benchmark of a GPU says that there is none, and measures nothing."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from benchmarks import gpu
from lingraft.server.search import Found

_SCRIPT = Path(gpu.__file__).with_suffix(".sh")


def test_without_a_gpu_there_is_an_error_and_no_file(tmp_path: Path) -> None:
    """Exit code 3, a line that says why. (The test hides the tool that lists GPUs.)"""
    found = shutil.which("dirname")
    assert found
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "dirname").symlink_to(found)
    done = subprocess.run(
        ["/bin/sh", str(_SCRIPT), str(tmp_path / "gpu.json")],
        env={"PATH": str(tools)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 3
    assert "no GPU" in done.stderr
    assert not (tmp_path / "gpu.json").exists()


def test_parity_counts_answers_and_how_far_their_scores_are() -> None:
    """Stored ids end with eos or at a limit; what was found may go on."""
    found = [
        Found((5, 6), (-1.0, -1.0, -1.0), 0.0, False),
        Found((5, 7), (-1.0,), 0.0, False),
    ]
    stored = [{"target_ids": [5, 6], "logprob": -2.5}, {"target_ids": [5, 6], "logprob": -1.0}]
    row = gpu.against_stored(found, stored, eos=0)
    assert row == {"sentences": 2, "identical": 0.5, "largest_logprob_difference": 0.5}
