#!/usr/bin/env bash
# Snakemake, SIGINT to its process alone, as kill -INT, a container's STOPSIGNAL or another program
# sends it (a terminal's Ctrl-C goes to the jobs as well): it prints "Terminating processes on user
# request", and terminates none. It waits until the local jobs have ended by themselves, hours for a
# training, and then does not record what they did: the log has nothing of it, and their outputs,
# whole as they are, count as incomplete. The next run refuses to start, or with --rerun-incomplete
# makes them all again. SIGTERM waits as well, and records them.
# The documentation has Ctrl-C to kill the running jobs, and TERM to wait for them.
# What helps: TERM; or INT to the whole process group: kill -INT -- -PID.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet "snakemake==${SNAKEMAKE:-9.27.1}"
export PATH=$folder/venv/bin:$PATH XDG_CACHE_HOME=$folder/cache
cat > Snakefile <<'EOF'
rule train:
    output: "model.txt"
    shell: "echo $$ > begun; until [ -e go ]; do sleep 0.1; done; echo whole > {output}"
EOF

signal() { # $1, to the process alone or with "-" as $2 to its group
  rm -rf .snakemake begun go model.txt
  set -m # a process group of its own, in which INT is not ignored
  snakemake --cores 1 > run.log 2>&1 &
  local pid=$! code=0
  set +m
  until [ -s begun ]; do
    kill -0 $pid 2> kill.log || { tail -n 20 run.log >&2; exit 1; }
    sleep 0.1
  done
  kill -s "$1" -- "${2:-}$pid"
  until grep -qE "on user request|Will exit after" run.log; do sleep 0.1; done
  for _ in $(seq 100); do kill -0 "$(cat begun)" 2> kill.log || break; sleep 0.1; done
  if kill -0 "$(cat begun)" 2> kill.log; then echo "the job goes on"; else echo "the job ends"; fi
  touch go
  wait $pid || code=$?
  grep -oE "Terminating processes on user request|Finished jobid: 0|Error in rule train" run.log
  echo "exit code $code; model: $(cat model.txt 2> cat.log || echo none)"
  snakemake --cores 1 --dry-run 2>&1 |
    grep -oE "IncompleteFilesException|Nothing to be done|Missing output files" | head -n 1
}
found=$(
  echo "TERM:"; signal TERM
  echo "INT:"; signal INT
  echo "INT to the group, as Ctrl-C:"; signal INT -
)
echo "snakemake $(snakemake --version)"
echo "$found"
diff - <(echo "$found") <<'EOF' || { echo "the behaviour changed"; exit 1; }
TERM:
the job goes on
Finished jobid: 0
exit code 1; model: whole
Nothing to be done
INT:
the job goes on
Terminating processes on user request
exit code 1; model: whole
IncompleteFilesException
INT to the group, as Ctrl-C:
the job ends
Terminating processes on user request
Error in rule train
exit code 1; model: none
Missing output files
EOF
