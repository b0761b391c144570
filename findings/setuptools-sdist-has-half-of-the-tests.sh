#!/usr/bin/env bash
# setuptools, sources for a package index (sdist) of a project whose packages lie elsewhere (src/):
# files that match tests/test*.py are put in, though nothing asks for them, and all else in tests/
# is left out: conftest.py, __init__.py, tests in folders, data. So the sources have some tests,
# and these fail where they are run, as distributions do that build from sources; and a test that
# was not to be published is. A wheel has none of them.
# What helps: "prune tests" in MANIFEST.in, or "graft tests", which takes all of them.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet setuptools==80.10.2
mkdir -p project/src/one project/tests/more
cd project
printf '[project]\nname = "one"\nversion = "1"\n' > pyproject.toml
touch src/one/__init__.py tests/{__init__,conftest,test_a,more/test_b}.py tests/data.csv

tests_in_sources() {
  rm -rf dist ./*.egg-info src/*.egg-info
  ../venv/bin/python -c 'from setuptools import build_meta as b; b.build_sdist("dist")' >/dev/null 2>&1
  tar -tf dist/one-1.tar.gz | sed -n 's,^one-1/\(tests/.*[^/]\)$,\1,p' | sort >found.txt
  [ -s found.txt ] && xargs <found.txt || echo none
}
found=$(
  echo "nothing is said: $(tests_in_sources)"
  echo 'prune tests' > MANIFEST.in
  echo "prune tests: $(tests_in_sources)"
  echo 'graft tests' > MANIFEST.in
  echo "graft tests: $(tests_in_sources)"
)
echo "setuptools $(../venv/bin/python -c 'import setuptools; print(setuptools.__version__)')"
echo "$found"
diff - <(echo "$found") <<'END' || { echo "the behaviour changed"; exit 1; }
nothing is said: tests/test_a.py
prune tests: none
graft tests: tests/__init__.py tests/conftest.py tests/data.csv tests/more/test_b.py tests/test_a.py
END
