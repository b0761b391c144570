#!/usr/bin/env bash
# snakemake-executor-plugin-slurm asks the queue ever more seldom: each look that finds no ended
# job makes the next pause 10 seconds longer, up to 180, whatever --seconds-between-status-checks
# and --slurm-init-seconds-before-status-checks say. Only a job that ends makes it short again.
# So where jobs wait for each other, the workflow stands still for a part of each: a job of 46
# seconds is noticed after 80, and one of ten minutes up to 115 seconds late. Independent jobs
# in the queue help, since each that ends resets the pause, and groups of short jobs.
set -euo pipefail
SNAKEMAKE=9.27.1 PLUGIN=2.8.0 PAUSE=5 JOB=46

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet "snakemake==$SNAKEMAKE" "snakemake-executor-plugin-slurm==$PLUGIN"

# What stands for a cluster: a job that runs for a while, and a queue that says so.
mkdir bin
cat > bin/sbatch <<END
#!/bin/sh
date +%s > "$folder/begun"
touch "$folder/result"
echo 1
END
cat > bin/squeue <<END
#!/bin/sh
now=\$(date +%s)
echo "\$now" >> "$folder/looks"
if [ \$((now - \$(cat "$folder/begun"))) -lt $JOB ]; then state=RUNNING; else state=COMPLETED; fi
echo "1|\$state"
END
printf '#!/bin/sh\necho MinJobAge = 300 sec\n' > bin/scontrol
printf '#!/bin/sh\n' | tee bin/scancel bin/sinfo bin/sacct bin/sacctmgr bin/sshare > /dev/null
chmod +x bin/*
printf 'rule all:\n    output: "result"\n    shell: "touch {output}"\n' > Snakefile

PATH=$folder/bin:$folder/venv/bin:$PATH snakemake --executor slurm --jobs 1 \
  --default-resources slurm_partition=short \
  --slurm-status-command squeue --seconds-between-status-checks $PAUSE \
  --slurm-init-seconds-before-status-checks $PAUSE --latency-wait 5 > run.log 2>&1 ||
  { tail -n 20 run.log; exit 1; }

echo "snakemake $SNAKEMAKE, snakemake-executor-plugin-slurm $PLUGIN"
echo "asked to look every $PAUSE seconds; a job of $JOB seconds was looked at after"
python3 - <<END
begun = int(open("begun").read())
looks = [int(line) - begun for line in open("looks")]
print(*looks, "seconds")
pauses = [after - before for before, after in zip(looks, looks[1:])]
print("pauses:", *pauses)
if len(pauses) < 2 or not all(b - a >= 8 for a, b in zip(pauses, pauses[1:])):
    raise SystemExit("the behaviour changed: the pauses do not grow")
END
