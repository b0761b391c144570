#!/usr/bin/env bash
# Build .venv (the main environment) and .venv-wai (wai.annotations) in the checkout.
#
#   envs/setup.sh [--bundle WHEELS] [--no-dev] [FOLDER]
#
# With --bundle all packages come from the folder that make bundle made: no network, no
# compiler. The lines that install are the same; pip is told where to look. With --no-dev
# tests and linters are left out.
#
# PYTHON names the Python to use, 3.11 to 3.13; otherwise the first one on the PATH is.
#
# TORCH_INDEX is the address of an index that has the CPU build of torch. Without it, and
# where pip would take a build for GPUs, of some gigabytes, uv is asked, which knows the
# index that PyTorch has for CPUs. Only where that is not reached, the large build is.
#
# What can overlap does: while mmcv compiles, the other packages are downloaded and
# the second environment is built. Logs are in .venv/setup/.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
bundle=
dev=(-r "$here/dev.txt")
while [[ ${1:-} == --* ]]; do
  case $1 in
    --bundle) bundle=${2:?"name the folder of wheels after --bundle"} && shift ;;
    --no-dev) dev=() ;;
    *) echo "error: unknown option $1" >&2 && exit 2 ;;
  esac
  shift
done
root=${1:-$(dirname "$here")}
main=$root/.venv
wai=$root/.venv-wai
logs=$main/setup
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore PIP_NO_INPUT=1

# Bytecode is made for what is imported, not for all of 13,000 files.
export PIP_COMPILE=0
unset PYTHONDONTWRITEBYTECODE

say() { printf '%4ds  %s\n' "$SECONDS" "$*"; }

fail() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

pinned() { # the requirement of a package, as the lock has it
  grep -hE "^$1==" "$here/main.txt"
}

find_python() {
  local candidate candidates
  candidates=($(python_of_bundle) python3.11 python3.12 python3.13 python3)
  [ -z "${PYTHON:-}" ] || candidates=("$PYTHON")
  for candidate in "${candidates[@]}"; do
    if "$candidate" -c 'import sys
sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; then
      printf '%s\n' "$candidate"
      return
    fi
  done
  local wanted='3.11, 3.12 or 3.13' found
  found=$("${PYTHON:-python3}" -c 'import platform
print("Python", platform.python_version())' 2>/dev/null) || found=
  [ -z "${PYTHON:-}" ] || fail "PYTHON=$PYTHON is ${found:-no Python}; name one of $wanted"
  [ -z "$found" ] || fail "python3 is $found; install one of $wanted, and name it in PYTHON"
  fail "there is no Python $wanted; install the package python3"
}

python_of_bundle() { # its wheels are for one version
  [[ -n $bundle && $(echo "$bundle"/mmcv-*.whl) =~ -cp3([0-9]+)- ]] || return 0
  echo "python3.${BASH_REMATCH[1]}"
}

version_of_python() {
  "$python" -c 'import sys; print("python%d.%d" % sys.version_info[:2])'
}

check_python() {
  "$python" -c 'import ensurepip' 2>/dev/null ||
    fail "Python cannot make environments; install the package python3-venv"
}

keep_weights() { # those that make bundle took along
  [ ! -d "$bundle/weights" ] || "$main/bin/mmdet-flow" weights add "$bundle"/weights/*
}

check_compiler() {
  command -v c++ >/dev/null ||
    fail "there is no C++ compiler, which mmcv needs; install the package g++"
  local include
  include=$("$python" -c 'import sysconfig; print(sysconfig.get_path("include"))')
  [ -f "$include/Python.h" ] ||
    fail "the headers of Python are missing; install the package python3-dev"
}

check_bundle() {
  [ -f "$bundle/SHA256SUMS" ] ||
    fail "$bundle: has no SHA256SUMS; name the folder that make bundle made"
  local wanted damaged stranger machine glibc here_glibc
  wanted=$(python_of_bundle)
  [ "${wanted:-$(version_of_python)}" = "$(version_of_python)" ] ||
    fail "the bundle is for $wanted, and this is $(version_of_python); install that"
  damaged=$(cd "$bundle" && sha256sum --check --quiet SHA256SUMS 2>/dev/null) ||
    fail "$bundle: ${damaged%%:*} is missing or damaged; copy the bundle again"
  stranger=$(cd "$bundle" && find . -type f -printf '%P\n' |
    grep -vxF -e SHA256SUMS -e "$(cut -c 67- SHA256SUMS)") &&
    fail "$bundle: ${stranger%%$'\n'*} is not in SHA256SUMS; take it away"
  read -r machine glibc <"$bundle/platform.txt"
  [ "$(uname -m)" = "$machine" ] ||
    fail "the bundle is for $machine, and this machine is $(uname -m); make one on its like"
  here_glibc=$(getconf GNU_LIBC_VERSION 2>/dev/null || echo "another C library")
  printf 'glibc %s\n' "$glibc" | cat - <(echo "$here_glibc") | sort -VC ||
    fail "the bundle needs glibc $glibc, and this machine has $here_glibc;" \
      "make one on an older Linux"
}

use_bundle() { # let pip look there, and nowhere else
  export PIP_NO_INDEX=1 PIP_FIND_LINKS
  PIP_FIND_LINKS=$("$python" -c 'import pathlib, sys
print(pathlib.Path(sys.argv[1]).resolve().as_uri())' "$bundle")
}

build_wai_environment() {
  "$python" -m venv --clear "$wai"
  "$wai/bin/pip" install -q $(grep -E '^(setuptools|wheel)==' "$here/wai-annotations.txt")
  "$wai/bin/pip" install -q --no-deps --no-build-isolation \
    -r "$here/wai-annotations.txt"
  install_stand_ins "$wai" planar librosa soundfile scikit-image wai-pycocotools \
    opencv-python
  "$wai/bin/pip" check
  "$wai/bin/wai-annotations" plugins >/dev/null
  ln -sf "$wai/bin/wai-annotations" "$main/bin/wai-annotations"
}

install_stand_ins() { # ENVIRONMENT NAME...
  # From a copy: a build leaves files beside its source.
  local environment=$1 copy
  shift
  copy=$(mktemp -d)
  (cd "$here/stand-ins" && cp -r "$@" "$copy")
  "$environment/bin/pip" install -q --no-deps --no-build-isolation "$copy"/*
  rm -rf "$copy"
}

install_torch() {
  local extra=()
  if [ -z "$bundle" ] && [ -n "${TORCH_INDEX:-}" ]; then
    extra=(--extra-index-url "$TORCH_INDEX")
  elif [ -z "$bundle" ] && pip_takes_gpu_build; then
    if install_cpu_torch; then
      touch "$logs/torch-by-uv" # pip does not know where to look; make bundle says so
    else
      echo "uv did not get the CPU build; pip takes the other"
    fi
  fi
  printf '%s\n' "${extra[@]}" >"$logs/torch-index.txt" # make bundle looks there too
  "$main/bin/pip" install -q "${extra[@]}" --constraint "$here/main.txt" \
    "$(pinned torch)" "$(pinned setuptools)" "$(pinned wheel)" "$(pinned ninja)" \
    "$(pinned psutil)"
}

pip_takes_gpu_build() { # where an index has no metadata apart, the wheel is downloaded
  "$main/bin/pip" install -q --dry-run --no-deps --report - "$(pinned torch)" |
    grep -qE '"(nvidia-|cuda-|triton)'
}

install_cpu_torch() { # with what it requires, in the versions of the lock
  local scratch
  scratch=$(mktemp -d)
  "$main/bin/pip" install -q --target "$scratch" -r "$here/uv.txt" &&
    "$scratch/bin/uv" pip install --quiet --no-config --no-cache --torch-backend cpu \
      --python "$main/bin/python" --constraint "$here/main.txt" "$(pinned torch)"
  local code=$?
  rm -rf "$scratch"
  return "$code"
}

note_gpu_build() {
  "$main/bin/python" -W ignore -c \
    'import sys, torch; sys.exit(not torch.version.cuda)' || return 0
  say "note: this torch is a build for GPUs; TORCH_INDEX gives the smaller one for CPUs"
}

precompile_torch_headers() { # FOLDER
  # Every file of mmcv reads the same headers of torch, most of its compile time.
  # The compiler ignores the result where it does not fit, so this is only faster.
  local torch
  torch=$("$main/bin/python" -c 'import torch.utils.cpp_extension as e
print(" ".join("-I" + path for path in e.include_paths()))')
  echo '#include <torch/types.h>' >"$1/torch_headers.h"
  # shellcheck disable=SC2086
  c++ $mmcv_flags -fPIC -std=c++17 -w -DTORCH_API_INCLUDE_EXTENSION_H \
    -DTORCH_EXTENSION_NAME=_ext $torch "-I$("$main/bin/python" -c \
      'import sysconfig; print(sysconfig.get_path("include"))')" \
    -x c++-header "$1/torch_headers.h" -o "$1/torch_headers.h.gch"
}

build_mmcv() {
  local scratch flags tag
  scratch=$(mktemp -d)
  tag=$(version_of_python | tr -d . | sed s/python/cp/)
  mmcv_flags='-g0 -O2'
  flags=$mmcv_flags
  if [ -z "$bundle" ] &&
    ! "$main/bin/pip" cache list mmcv 2>/dev/null | grep -q "mmcv-.*-$tag-"; then
    precompile_torch_headers "$scratch" && flags+=" -include $scratch/torch_headers.h"
  fi
  cp "$here/exec_in_frame.py" "$scratch/sitecustomize.py" # for setup.py of mmcv
  PYTHONPATH=$scratch PATH=$main/bin:$PATH MMCV_WITH_OPS=1 FORCE_CUDA=0 \
    MAX_JOBS=$(nproc) CC=cc CXX=c++ CFLAGS=$flags CXXFLAGS=$flags \
    "$main/bin/pip" wheel -v --no-deps --no-build-isolation -w "$logs" "$(pinned mmcv)"
  rm -rf "$scratch"
}

show_mmcv_progress() { # PID
  local last=0 done_files
  while kill -0 "$1" 2>/dev/null; do
    done_files=$(grep -aoE '^ *\[[0-9]+/[0-9]+\]' "$logs/mmcv.log" 2>/dev/null |
      tail -n 1 | tr -d ' []' || true)
    if [ -n "$done_files" ] && [ "$((${done_files%/*} / 10))" -gt "$last" ]; then
      last=$((${done_files%/*} / 10))
      say "compiling mmcv: ${done_files/\// of } files"
    fi
    sleep 1
  done
}

finish() { # PID NAME: wait for a background part; its log tells why it failed
  wait "$1" || fail "$2 failed; the reason is at the end of $logs/$2.log"
}

python=$(find_python)
check_python
if [ -n "$bundle" ]; then
  check_bundle
  use_bundle
else
  check_compiler
fi
say "making the environments with $($python --version)"
"$python" -m venv --clear "$main"
mkdir -p "$logs"
build_wai_environment >"$logs/wai.log" 2>&1 &
wai_job=$!
install_torch >"$logs/torch.log" 2>&1 || fail "torch failed; see $logs/torch.log"
note_gpu_build
say "installed torch; next is mmcv, and the rest meanwhile"
build_mmcv >"$logs/mmcv.log" 2>&1 &
mmcv_job=$!
grep -vE '^(torch|mmcv)==' "$here/main.txt" >"$logs/rest.txt"
"$main/bin/pip" install -q --no-deps --no-build-isolation -r "$logs/rest.txt" \
  "${dev[@]}" >"$logs/rest.log" 2>&1 || fail "pip failed; see $logs/rest.log"
install_stand_ins "$main" opencv-python openvino-telemetry >>"$logs/rest.log" 2>&1
say "installed the packages"
"$main/bin/python" -c 'import cv2, matplotlib.pyplot, openvino, pandas, snakemake.cli
import torch.utils.data' >"$logs/bytecode.log" 2>&1 &
show_mmcv_progress "$mmcv_job"
finish "$mmcv_job" mmcv
finish "$wai_job" wai
"$main/bin/pip" install -q --no-deps "$logs"/mmcv-*.whl
"$main/bin/pip" install -q --no-deps --no-build-isolation -e "$root"
"$main/bin/pip" check >"$logs/check.log" || fail "pip check: $(head -n 1 "$logs/check.log")"
"$main/bin/python" -c 'import cv2, mmcv.ops, mmdet' >>"$logs/check.log" 2>&1 ||
  fail "mmcv or mmdet cannot be imported; see $logs/check.log"
[ -z "$bundle" ] || keep_weights >"$logs/weights.log" ||
  fail "the weights of the bundle cannot be kept; put them into a cache of yours"
say "the environments are ready"
