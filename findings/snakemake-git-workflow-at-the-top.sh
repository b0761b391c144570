#!/usr/bin/env bash
# Snakemake, a local git repository as the address of a workflow (git+file://...@TAG, for
# --snakefile or module), whose Snakefile lies at the top of the repository: each include: of
# it fails, and so does script:, with "path '/rules/...' does not exist", though the file is
# there. Snakemake joins the Snakefile's folder, which is "" at the top, and the relative path
# by a slash, and asks git for /rules/one.smk. The Snakefile itself is found, so that a workflow
# without includes works, and breaks when it is divided. In a folder, or from a checkout, the
# same files work; so do github(...) and gitlab(...), which take a leading slash off.
# What helps: a Snakefile in workflow/, which may include what is above it ("../rules/one.smk").
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet snakemake==9.27.1 gitpython==3.2.1
export PATH=$folder/venv/bin:$PATH XDG_CACHE_HOME=$folder/cache

mkdir -p repository/rules repository/scripts repository/workflow
printf 'rule all:\n    input: "one.txt"\ninclude: "rules/one.smk"\n' > repository/Snakefile
printf 'rule all:\n    input: "one.txt"\ninclude: "../rules/one.smk"\n' \
  > repository/workflow/Snakefile
printf 'rule one:\n    output: "one.txt"\n    shell: "touch {output}"\n' \
  > repository/rules/one.smk
printf 'rule two:\n    output: "two.txt"\n    script: "scripts/two.py"\n' \
  > repository/script.smk
echo 'open(snakemake.output[0], "w")' > repository/scripts/two.py
git -C repository init --quiet
git -C repository add .
git -C repository -c user.name=me -c user.email=me@localhost commit --quiet --message one
git -C repository tag one

try() { # the workflow at the address $1
  mkdir run
  if snakemake --snakefile "$1" --directory run --cores 1 > run.log 2>&1; then
    echo done
  else
    grep -o "fatal: path '.*' does not exist" run.log | head -n 1
  fi
  rm -r run
}
address=git+file://$folder/repository
found=$(
  echo "checkout, Snakefile: $(try repository/Snakefile)"
  echo "git+file, Snakefile: $(try "$address/Snakefile@one")"
  echo "git+file, workflow/Snakefile: $(try "$address/workflow/Snakefile@one")"
  echo "checkout, script.smk: $(try repository/script.smk)"
  echo "git+file, script.smk: $(try "$address/script.smk@one")"
)
echo "snakemake $(snakemake --version)"
echo "$found"
diff - <(echo "$found") <<'END' || { echo "the behaviour changed"; exit 1; }
checkout, Snakefile: done
git+file, Snakefile: fatal: path '/rules/one.smk' does not exist
git+file, workflow/Snakefile: done
checkout, script.smk: done
git+file, script.smk: fatal: path '/scripts/two.py' does not exist
END
