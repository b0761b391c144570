#!/bin/sh
# Python in a machine of its own: its processes are the only ones it sees, and its
# /etc/slurm is empty. So each worker of pytest can have a Slurm.
# The shell stays, and ends what is left of processes whose parents are gone.
exec unshare --mount --pid --fork --kill-child --mount-proc sh -ec '
  mount -t tmpfs none /etc/slurm
  "$0" "$@"' "$(dirname "$0")/../../.venv/bin/python" "$@"
