#!/usr/bin/env bash
# Build the reference stack, which benchmarks compare with, in .venv-reference.
#
#   envs/reference.sh [FOLDER]
#
# It needs Python 3.10: PYTHON310 may name it. mmcv is compiled, for 10 to 20 minutes.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
target=${1:-$(dirname "$here")/.venv-reference}
python=${PYTHON310:-python3.10}
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore PIP_NO_INPUT=1

if ! "$python" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 10))' 2>/dev/null; then
  echo "error: Python 3.10 is missing; install it, or name it in PYTHON310" >&2
  exit 1
fi
"$python" -m venv --clear "$target"
pip=$target/bin/pip
"$pip" install -q $(grep -E '^(setuptools|wheel|ninja|psutil|numpy)==' "$here/reference.txt")
"$pip" install -q --no-deps $(grep -E '^(torch|torchvision|typing_extensions)==' "$here/reference.txt")
MMCV_WITH_OPS=1 FORCE_CUDA=0 MAX_JOBS=$(nproc) CFLAGS=-g0 \
  "$pip" install -q --no-build-isolation --no-deps "$(grep -E '^mmcv==' "$here/reference.txt")"
"$pip" install -q --no-build-isolation --no-deps -r "$here/reference.txt"
"$target/bin/python" -c 'import mmcv.ops, mmdet, opex'
