#!/usr/bin/env bash
# Snakemake, params and the rerun trigger "params": what is compared with the last run is the list
# of the values, sorted, without their names. So where two params swap their values (width and
# height, a model and its baseline, two thresholds), the command is another one and the rule is not
# run: the old result stays, with "Nothing to be done". Values that are of no plain type of Python,
# as a Path, an array or a number of numpy, are left out, so a change of one is not seen either.
# And a set, whose order is new in each process, makes its rule run each time.
# What helps: one param that is a dict; str(path), int(number) and sorted(set).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet "snakemake==${SNAKEMAKE:-9.27.1}" numpy==2.4.6
export PATH=$folder/venv/bin:$PATH XDG_CACHE_HOME=$folder/cache
cat > rules.py <<'END'
"""Write a Snakefile with a rule for each way to hand a pair of values to a command."""
WAYS = {
    "plain": ("a=config['pair'][0], b=config['pair'][1]", "{params.a} {params.b}"),
    "dict": ("pair=dict(zip('ab', config['pair']))", "{params.pair[a]} {params.pair[b]}"),
    "path": ("pair=Path(*config['pair'])", "{params.pair}"),
    "text": ("pair=str(Path(*config['pair']))", "{params.pair}"),
    "numpy": ("length=numpy.int64(len(config['pair'][0]))", "{params.length}"),
    "set": ("names=set(config['pair']) | set('abcdef')", "{params.names}"),
}
print("from pathlib import Path\nimport numpy\nrule all:\n    input:", [f"{w}.txt" for w in WAYS])
for way, (params, words) in WAYS.items():
    print(f'rule {way}:\n    output: "{way}.txt"\n    params: {params}')
    print(f'    shell: "echo {words} > {{output}}"')
END
python3 rules.py > Snakefile

run() { # with the hash seed $1 and the pair $2: the rules that run
  PYTHONHASHSEED=$1 snakemake --cores 1 --config "pair=$2" > run.log 2>&1 ||
    { tail -n 20 run.log >&2; exit 1; }
  sed -nE 's/^(local)?rule ([a-z]+):$/\2/p' run.log | sed '/^all$/d' | sort | xargs
}
found=$(
  echo "first: $(run 1 '[new,baseline]')"
  echo "the same: $(run 1 '[new,baseline]')"
  echo "the same, another process: $(run 2 '[new,baseline]')"
  echo "swapped: $(run 2 '[baseline,new]')"
  for way in plain dict path text numpy; do echo "$way: $(cat $way.txt)"; done
)
echo "snakemake $(snakemake --version); the pair new, baseline, and the rules that run:"
echo "$found"
diff - <(echo "$found") <<'END' || { echo "the behaviour changed"; exit 1; }
first: dict numpy path plain set text
the same: 
the same, another process: set
swapped: dict text
plain: new baseline
dict: baseline new
path: new/baseline
text: baseline/new
numpy: 3
END
