#!/usr/bin/env bash
# Snakemake, "cache: True" (caching between workflows): a job can get the result of another job of
# its rule. The hash that finds a result has the command, the params, the software and, for an input
# that another job makes, the hash of that job, but not which of its output files the input is. So
# where one job writes train and test, and a cached rule counts or converts each of them, the one
# gets the result of the other, without a warning, in one run or in the next. And hashes of inputs
# are sorted, so that truth against predictions and predictions against truth are the same.
# The documentation asks to hand wildcards and config over as params, and excepts input files.
# What helps: the names of the inputs as params: "params: name=lambda wildcards, input: input[0]".
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet "snakemake==${SNAKEMAKE:-9.27.1}"
export PATH=$folder/venv/bin:$PATH XDG_CACHE_HOME=$folder/home
printf '%s\n' a b c > few.txt
printf '%s\n' a b c d e > more.txt
cat > Snakefile <<'END'
PAIRS = {"forth": ["few.txt", "more.txt"], "back": ["more.txt", "few.txt"]}
rule split:
    input: "more.txt"
    output: "split/train.txt", "split/test.txt"
    shell: "head -n 3 {input} > {output[0]}; tail -n 2 {input} > {output[1]}"
rule count:
    input: "split/{name}.txt"
    output: "count/{name}.txt"
    cache: True
    shell: "wc -l < {input} > {output}"
rule named:
    input: "split/{name}.txt"
    output: "named/{name}.txt"
    params: name=lambda wildcards, input: input[0]
    cache: True
    shell: "wc -l < {input} > {output}"
rule added:
    input: lambda wildcards: PAIRS[wildcards.way]
    output: "added/{way}.txt"
    cache: True
    shell: "grep -vxFf {input[0]} {input[1]} > {output} || true"
END

run() { # each result in turn, with the further arguments: their contents
  rm -rf count named added split
  for name in {count,named}/{train,test}.txt added/{forth,back}.txt; do
    snakemake $name --cores 1 "$@" > run.log 2>&1 || { tail -n 20 run.log >&2; exit 1; }
  done
  for name in count/train count/test named/train named/test added/forth added/back; do
    echo "$name: $(xargs < $name.txt)"
  done
}
mkdir cache
export SNAKEMAKE_OUTPUT_CACHE=$folder/cache
plain=$(run)
cached=$(run --cache)
echo "snakemake $(snakemake --version), without the cache:"
echo "$plain"
echo "with an empty cache:"
echo "$cached"
diff - <(echo "$plain"; echo; echo "$cached") <<'END' || { echo "the behaviour changed"; exit 1; }
count/train: 3
count/test: 2
named/train: 3
named/test: 2
added/forth: d e
added/back: 

count/train: 3
count/test: 3
named/train: 3
named/test: 2
added/forth: d e
added/back: d e
END
