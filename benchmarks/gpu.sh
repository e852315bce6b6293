#!/bin/sh
# Parity and speed of half precision on a GPU, into a JSON file:
#
#   benchmarks/gpu.sh FILE
#
# Needs the extras `training` and, in place of `server`, `server-gpu`. PYTHON names the interpreter
# (default: the project's own). Exit code 3 and a line that says what is missing where there is no
# GPU: then nothing is measured and no file is written.
set -eu

cd "$(dirname "$0")/.."
file=${1:?usage: benchmarks/gpu.sh FILE}
python=${PYTHON:-.venv/bin/python}

if ! command -v nvidia-smi >/dev/null || ! nvidia-smi --list-gpus >&2; then
    echo "no measurement: this machine has no GPU that nvidia-smi can list" >&2
    exit 3
fi
exec "$python" -m benchmarks.gpu --json "$file"
