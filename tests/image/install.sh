#!/usr/bin/env bash
# Install Debian's podman, debootstrap for an image to start from, and a registry to
# publish to, where they are missing; nothing of them is started.
set -euo pipefail

packages=(podman runc debootstrap docker-registry)
if dpkg --status "${packages[@]}" >/dev/null 2>&1; then
  exit
fi
if [ "$(id -u)" != 0 ]; then
  echo "error: ${packages[*]} are not installed; run again as root" >&2
  exit 1
fi
export DEBIAN_FRONTEND=noninteractive
apt-get -qq update
# In run level 1 the packages do not start their services.
RUNLEVEL=1 apt-get -qq install --no-install-recommends "${packages[@]}" >/dev/null
