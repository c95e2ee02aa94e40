#!/usr/bin/env bash
# Installs what is missing of the distribution's packages, asking nothing.
#   tools/system.sh [python] [qgis] [desktop] [translations] [matrix]
set -euo pipefail

missing=()
for part in "$@"; do
  case $part in
    python)
      /usr/bin/python3 -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv) ;;
    qgis)
      command -v qgis_process >/dev/null || missing+=(qgis qgis-providers)
      /usr/bin/python3 -c 'import qgis.core' 2>/dev/null || missing+=(python3-qgis)
      # QGIS's own Python needs a pip for its test environment
      /usr/bin/python3 -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv) ;;
    desktop)
      command -v Xvfb >/dev/null || missing+=(xvfb)
      command -v xdotool >/dev/null || missing+=(xdotool)
      command -v import >/dev/null || missing+=(imagemagick) ;;
    translations)
      command -v lrelease >/dev/null || missing+=(qttools5-dev-tools) ;;
    matrix)
      command -v debootstrap >/dev/null || missing+=(debootstrap) ;;
    *) echo "tools/system.sh: there is no part '$part'" >&2; exit 2 ;;
  esac
done
[ ${#missing[@]} -eq 0 ] && exit 0

run=()
[ "$(id -u)" -eq 0 ] || run=(sudo -n)
order="apt-get install -y -qq --no-install-recommends ${missing[*]}"
if ! command -v apt-get >/dev/null || { [ "$(id -u)" -ne 0 ] && ! sudo -n true 2>/dev/null; }; then
  echo "These packages are missing, and this user may not install them: ${missing[*]}" >&2
  echo "On Debian or Ubuntu:  sudo $order" >&2
  exit 1
fi
echo "Installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
"${run[@]}" apt-get update -qq
# shellcheck disable=SC2086  # the words are package names
"${run[@]}" env DEBIAN_FRONTEND=noninteractive $order >/dev/null
