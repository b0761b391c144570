#!/usr/bin/env bash
# Build .venv-predict in the checkout: what predicts models that have their deployable
# form. No torch, no compiler, a tenth of the main environment.
#
#   envs/setup-predict.sh [--slim] [FOLDER]
#
# PYTHON names the Python to use, 3.10 to 3.13; python3 if it is not set. With --slim
# pip is taken out at the end, as for an image.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
slim=
if [ "${1:-}" = --slim ]; then
  slim=yes
  shift
fi
root=${1:-$(dirname "$here")}
python=${PYTHON:-python3}
environment=$root/.venv-predict
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore PIP_NO_INPUT=1
export PIP_COMPILE=0

fail() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

"$python" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' \
  2>/dev/null ||
  fail "$python is not Python 3.10 to 3.13; name one, e.g. PYTHON=python3.12"
"$python" -c 'import ensurepip' 2>/dev/null ||
  fail "$python cannot make environments; install the package python3-venv"
"$python" -m venv --clear "$environment"
"$environment/bin/pip" install -q --no-deps -r "$here/predict.txt"
"$environment/bin/pip" install -q --no-deps -e "$root"
packages=$("$environment/bin/python" -c 'import sysconfig
print(sysconfig.get_path("purelib"))')
# Devices and model formats other than a CPU and its own.
(cd "$packages/openvino" && rm -rf include libs/cache.json libs/libopenvino_intel_[gn]pu_* \
  libs/libopenvino_{onnx,paddle,pytorch,tensorflow,tensorflow_lite,gguf}_frontend.*)
if [ -n "$slim" ]; then
  "$environment/bin/python" -m pip uninstall -q -y pip
  find "$packages" -type d -name tests -prune -exec rm -rf {} +
  find "$packages" -name 'haarcascade_*.xml' -delete
fi
# What is imported leaves its bytecode.
"$environment/bin/python" -c 'import cv2, opex, openvino, PIL.Image, pycocotools.mask
import prometheus_client, redis, watchdog.observers
import mmdet_flow.inference.deploy.detector'
[ -n "$slim" ] || cat <<EOF
$environment is ready; its commands are found first after
  export PATH="$environment/bin:\$PATH"
and this predicts for the images of a folder:
  mmdet-flow predict --package results/EXPERIMENT/model/EXPERIMENT.zip \\
    --prediction_in new --prediction_out done --keep_input
EOF
