#!/usr/bin/env bash
# Install Debian's Slurm for the tests where it is missing; nothing of it is started.
set -euo pipefail

packages=(slurmctld slurmd slurm-client munge)
if dpkg --status "${packages[@]}" >/dev/null 2>&1; then
  exit
fi
if [ "$(id -u)" != 0 ]; then
  echo "error: ${packages[*]} are not installed; run again as root" >&2
  exit 1
fi
export DEBIAN_FRONTEND=noninteractive
apt-get -qq update
# In run level 1 the packages do not start their daemons.
RUNLEVEL=1 apt-get -qq install --no-install-recommends "${packages[@]}" >/dev/null
