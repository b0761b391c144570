#!/usr/bin/env bash
# setuptools, SOURCE_DATE_EPOCH, with which builds are to give the same bytes each time: a wheel
# does, the sources (sdist) of the same project do not. Their gzip header, and the files that the
# build makes (PKG-INFO, setup.cfg, the egg-info), have the time of the build, and each file the
# name of the user who built. So whoever checks a release by building it again finds the
# wheel as it is, the sources not; and who publishes them publishes their login, too.
# What helps: unpack them, and pack them again with GNU tar: --sort=name --mtime=@SECONDS --owner=0
# --group=0 --numeric-owner, and gzip -n.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet setuptools==80.10.2
mkdir -p project/src/one
printf '[project]\nname = "one"\nversion = "1"\n' > project/pyproject.toml
touch --date=@1700000000 project/src/one/__init__.py project/pyproject.toml
export SOURCE_DATE_EPOCH=1700000000

for build in 1 2; do
  cp -rp project "copy$build"
  (
    cd "copy$build"
    ../venv/bin/python -c 'from setuptools import build_meta as b
b.build_sdist("dist"), b.build_wheel("dist")' >/dev/null 2>&1
    mkdir again && tar -xf dist/one-1.tar.gz -C again
    tar --sort=name --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner \
      -C again -c one-1 | gzip -9n > dist/packed-again.tar.gz
  )
  sleep 2
done
compare() {
  cmp --silent "copy1/dist/$1" "copy2/dist/$1" && echo "the same" || echo "different"
}
found=$(
  echo "wheel: $(compare one-1-py3-none-any.whl)"
  echo "sources: $(compare one-1.tar.gz)"
  echo "sources packed again: $(compare packed-again.tar.gz)"
  echo "users in the sources: $(tar -tvf copy1/dist/one-1.tar.gz | awk '{print $2}' | sort -u |
    sed "s,^$(id -un)/$(id -gn)\$,who built,")"
)
echo "setuptools $(venv/bin/python -c 'import setuptools; print(setuptools.__version__)')"
echo "$found"
diff - <(echo "$found") <<'END' || { echo "the behaviour changed"; exit 1; }
wheel: the same
sources: different
sources packed again: the same
users in the sources: who built
END
