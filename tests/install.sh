#!/usr/bin/env bash
# Install packages of Debian that tests need, where they are missing; nothing of them is
# started.
#
#   tests/install.sh PACKAGE...
set -euo pipefail

if dpkg --status "$@" >/dev/null 2>&1; then
  exit
fi
if [ "$(id -u)" != 0 ]; then
  echo "error: $* are not installed; run again as root" >&2
  exit 1
fi
export DEBIAN_FRONTEND=noninteractive
apt-get -qq update
# In run level 1 the packages do not start their services.
RUNLEVEL=1 apt-get -qq install --no-install-recommends "$@" >/dev/null
