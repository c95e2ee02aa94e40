#!/usr/bin/env bash
# Runs the plugin's and the desktop's tests on several versions of QGIS, each in a folder of its own.
#   tools/matrix.sh [here|SUITE ...]   by default: here trixie forky
# A suite of Debian is unpacked once into $MATRIX_FOLDER/SUITE (1.7 GB) and entered in namespaces of
# its own, with this folder and the engine's Python at their usual places. For root only.
#   MATRIX_FOLDER   ~/.cache/mtmsd/matrix     MATRIX_MIRROR  the one that apt uses
#   MATRIX_TESTS    "plugin desktop", or files among them   PYTEST_OPTIONS goes to pytest
#   JOBS            tests of the plugin at once (as many as cores); a desktop has its screen to itself
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
folder=${MATRIX_FOLDER:-${XDG_CACHE_HOME:-$HOME/.cache}/mtmsd/matrix}
mirror=${MATRIX_MIRROR:-$(apt-get indextargets --format '$(REPO_URI)' | grep -m1 'debian/*$')}
engine_home=$(.env-engine/bin/python -c 'import sys; print(sys.base_prefix)')
certificates=/etc/ssl/certs/ca-certificates.crt
packages=(qgis qgis-providers python3-qgis python3-venv python3-pip xvfb xdotool imagemagick
  fonts-dejavu-core ca-certificates procps)

enter() { # SUITE COMMAND: run a command in a suite; what it starts ends with it
  local there=$folder/$1
  # shellcheck disable=SC2016  # expanded by the inner shell
  unshare --mount --pid --fork --kill-child --propagation private bash -euc '
    mount --bind "$1" "$1"   # a root of its own, for tests that make namespaces themselves
    mount -t proc proc "$1/proc"
    mount --rbind /dev "$1/dev"
    for shared in "$2" "$3"; do
      case $shared in /usr|/usr/*) continue ;; esac   # a Python of this system stays outside
      mkdir -p "$1$shared"
      mount --bind "$shared" "$1$shared"
    done
    cp /etc/resolv.conf "$1/etc/resolv.conf"
    exec chroot "$1" /usr/bin/env -i HOME=/root LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive \
      PATH=/usr/sbin:/usr/bin:/sbin:/bin OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}" \
      PIP_CERT="$5" PYTHONDONTWRITEBYTECODE=1 MTMSD_PYTHON="$2/.env-engine/bin/python" \
      bash -euc "cd \"$2\"; $4"
  ' enter "$there" "$root" "$engine_home" "$2" "$certificates"
}

unpack() { # SUITE: once; half a suite is unpacked anew, packages that were named since are added
  local there=$folder/$1
  [ "$(cat "$there/.ready" 2>/dev/null)" = "${packages[*]}" ] && return
  if [ ! -e "$there/.ready" ]; then
    command -v debootstrap >/dev/null || tools/system.sh matrix
    echo "Unpacking Debian $1 into $there"
    rm -rf --one-file-system "$there"
    mkdir -p "$folder"
    debootstrap --variant=minbase "$1" "$there" "$mirror" /usr/share/debootstrap/scripts/sid \
      >"$folder/$1.log" 2>&1
    printf '#!/bin/sh\nexit 101\n' >"$there/usr/sbin/policy-rc.d" # no service is started
    chmod +x "$there/usr/sbin/policy-rc.d"
  fi
  # a mirror that is a copy of some weeks ago is still a signed one
  enter "$1" "apt-get update -qq -o Acquire::Check-Valid-Until=false
    apt-get install -qq --no-install-recommends --no-upgrade -o Dpkg::Options::=--force-unsafe-io \
      ${packages[*]}" >>"$folder/$1.log" 2>&1
  echo "${packages[*]}" >"$there/.ready"
}

environment() { # SUITE: what the tests need, in QGIS's own Python
  local there=$folder/$1
  [ "$there/.tests-ready" -nt constraints.txt ] && [ "$there/.tests-ready" -nt tools/environment.sh ] \
    && return
  cp "$certificates" "$there$certificates"
  enter "$1" 'tools/environment.sh qgis /opt/env-qgis' >>"$folder/$1.log" 2>&1
  touch "$there/.tests-ready"
}

say_versions='import sys
from qgis.core import Qgis
from qgis.PyQt.QtCore import QT_VERSION_STR
print("QGIS", Qgis.QGIS_VERSION.split("-")[0], "| Qt", QT_VERSION_STR,
      "| Python", sys.version.split()[0])'

tests() { # PYTHON: the commands that run the tests
  local part parallel
  echo "$1 -c '$say_versions'; worst=0"
  # a worker of 3.40 that takes QGIS down after its last test ends by a segmentation fault
  for part in ${MATRIX_TESTS:-plugin desktop}; do
    case $part in
      plugin*)
        echo "export QT_QPA_PLATFORM=offscreen"
        parallel="-n ${JOBS:-$(nproc)} --dist worksteal -o qgis_disable_exit=true" ;;
      *) echo "unset QT_QPA_PLATFORM"; parallel= ;;
    esac
    echo "$1 -m pytest tests/$part -p no:cacheprovider $parallel ${PYTEST_OPTIONS:-} || worst=\$?"
  done
  echo "exit \$worst"
}

worst=0
for suite in "${@:-here trixie forky}"; do
  for name in $suite; do
    echo "== $name"
    if [ "$name" = here ]; then
      bash -uc "$(tests .env-qgis/bin/python)" || worst=$?
    else
      [ "$(id -u)" -eq 0 ] || { echo "Other versions of QGIS are run as root only." >&2; exit 1; }
      unpack "$name"
      environment "$name"
      enter "$name" "$(tests /opt/env-qgis/bin/python)" || worst=$?
    fi
  done
done
exit "$worst"
