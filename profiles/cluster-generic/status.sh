#!/usr/bin/env bash
# Print running, success or failed for the Slurm job with the number $1.
#
# For another scheduler, ask it instead: qstat -x -f (PBS), qstat and qacct (SGE),
# bjobs -noheader -o stat (LSF).
set -euo pipefail

case $(scontrol --oneliner show job "$1" | grep -o 'JobState=[A-Z_]*') in
  *=COMPLETED) echo success ;;
  *=PENDING | *=CONFIGURING | *=RUNNING | *=COMPLETING | *=SUSPENDED | *=REQUEUED) echo running ;;
  *) echo failed ;;
esac
