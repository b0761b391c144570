#!/usr/bin/env bash
# Take what no command needs out of both environments; the image is made of the rest.
#
#   envs/slim.sh [FOLDER]
set -euo pipefail

root=${1:-$(dirname "$(dirname "$(realpath "${BASH_SOURCE[0]}")")")}
main=$root/.venv
wai=$root/.venv-wai
packages=$(cd "$main" && echo lib/python3.*/site-packages)

drop_build_tools() {
  local environment
  for environment in "$main" "$wai"; do
    "$environment/bin/python" -m pip uninstall -q -y ninja wheel 2>/dev/null
    "$environment/bin/python" -m pip uninstall -q -y pip 2>/dev/null
  done
  rm -rf "$main/setup"
}

drop_tests() { # of packages, and models of OpenCV that detect faces
  find "$main" "$wai" -type d -name tests -prune -exec rm -rf {} +
  find "$main" "$wai" -name 'haarcascade_*.xml' -delete
}

drop_unused_parts() { # of the main environment
  cd "$main/$packages"
  rm -rf torch/include torch/share torch/test {openvino,pyarrow,numpy/_core}/include
  find torch/bin -type f ! -name torch_shm_manager -delete
  # Devices and model formats other than a CPU and torch.
  (cd openvino/libs && rm -f cache.json libopenvino_intel_[gn]pu_* \
    libopenvino_{onnx,paddle,tensorflow,tensorflow_lite,gguf}_frontend.*)
  # Solvers for other machines; Snakemake schedules with that of this one.
  find pulp/solverdir/cbc -mindepth 2 -maxdepth 2 ! -path '*/linux/i64' \
    -exec rm -rf {} +
  rm -f "$main/NotoSansCJKtc-Regular.otf" # a second copy
  # Network services of Arrow, and second copies of its libraries.
  rm -f pyarrow/*flight* pyarrow/*_s3* pyarrow/libarrow*.so pyarrow/lib*.so.*.*
}

strip_libraries() { # of what only a debugger reads
  # Those that were changed after they were linked would not load any more.
  find "$main" -name '*.so*' -type f ! -path '*.libs/*' -exec strip --strip-unneeded {} +
}

share_libraries() { # let the second environment have its libraries from the first
  local library
  cd "$wai/$packages"
  find . -name '*.so*' -type f | while read -r library; do
    if cmp -s "$library" "$main/$packages/$library"; then
      ln -srf "$main/$packages/$library" "$library"
    fi
  done
}

check() { # that all can be loaded; what is imported leaves its bytecode
  NNCF_CI=1 "$main/bin/python" -W ignore -c 'import cv2, markdown_it
import matplotlib.pyplot, mmcv.ops, mmdet.apis, mmengine.runner, nncf
import openvino, orjson, pandas, prometheus_client
import pyarrow.parquet, pycocotools.coco, redis, shapely.geometry, snakemake.cli
import torch.utils.data, watchdog.observers'
  "$main/bin/wai-annotations" plugins >/dev/null 2>&1
}

drop_build_tools
drop_tests
(drop_unused_parts)
(share_libraries)
strip_libraries
check
