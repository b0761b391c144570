#!/usr/bin/env bash
# Build the sources and the wheel of the last commit in a folder; make package runs it.
#
#   envs/package.sh FOLDER
#
# Of what is committed, and of nothing that lies beside it. The wheel is made of the sources that
# are published, which shows that they are whole. A commit gives the same bytes each time: without
# times of the build and without names of who built.
set -euo pipefail

dist=$(realpath "$1")
mapfile -t changed < <(git -c core.quotePath=false status --porcelain)
count=${#changed[@]}
[ "$count" -eq 0 ] || {
  names=$(printf ', %s' "${changed[@]:0:5}" | sed -E 's/, .. /, /g')
  [ "$count" -le 5 ] || names="$names and $((count - 5)) more"
  echo "error: there are files that are not committed: ${names:2}; commit or remove them" >&2
  exit 1
}
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH

mkdir "$copy/commit" "$copy/built"
git archive HEAD | tar -x -C "$copy/commit"
cd "$copy/commit"
python -c 'from setuptools import build_meta; build_meta.build_sdist("../built")' >/dev/null
cd "$copy/built"
archive=$(echo *.tar.gz)
tar -xf "$archive"
rm -rf "$dist"/mmdet_flow-*
mkdir -p "$dist"
tar --sort=name --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner \
  --mode=go=rX,u+rw -c "${archive%.tar.gz}" | gzip -9n >"$dist/$archive"
python -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir "$dist" "$dist/$archive"
