#!/usr/bin/env bash
# Builds one of the five environments, from constraints.txt.
#   tools/environment.sh engine   .env-engine: torch, rasterio and the engine itself
#   tools/environment.sh light    .env-light: the light engine's packages, no torch
#   tools/environment.sh gpu      .env-gpu: the same with onnxruntime-gpu, without CUDA's libraries
#   tools/environment.sh qgis     .env-qgis: what tests the plugin, on top of QGIS's own Python
#   tools/environment.sh qt6      .env-qt6: PyQt6, which no QGIS here has; it extracts strings too
# A second argument names another folder.
set -euo pipefail
cd "$(dirname "$0")/.."

find_python() { # the first Python that can run the given statements
  local python
  for python in ${PYTHON:-} python3 /usr/bin/python3 python3.{13,12,11,10,14}; do
    if "$python" -c "$1" >/dev/null 2>&1; then
      command -v "$python"
      return
    fi
  done
  return 1
}

case ${1:-} in
  engine|light|gpu|qt6)
    test_code='import sys, ensurepip, venv; assert sys.version_info >= (3, 10)'
    find_python "$test_code" >/dev/null || tools/system.sh python
    python=$(find_python "$test_code") || { echo "No Python 3.10 or newer found." >&2; exit 1; }
    options=()
    case $1 in
      engine) packages=(-e 'core[test,cpu,cluster]') ;;
      light) packages=(-r core/light-requirements.in onnxruntime) ;;
      gpu) packages=(-r core/light-requirements.in onnxruntime-gpu) ;;
      qt6) packages=(PyQt6 numpy pytest) ;;
    esac ;;
  qgis)
    test_code='import ensurepip, venv, qgis.core'
    python=$(PYTHON=/usr/bin/python3 find_python "$test_code") \
      || { echo "No Python that can import qgis found." >&2; exit 1; }
    options=(--system-site-packages)
    packages=(pytest pytest-qgis pytest-xdist bandit detect-secrets uv) ;;
  *) echo "usage: tools/environment.sh engine|light|gpu|qgis|qt6" >&2; exit 2 ;;
esac

folder=${2:-.env-$1}
echo "Building $folder with $python"
rm -rf "$folder"
"$python" -m venv "${options[@]}" "$folder"
"$folder/bin/python" -m pip install -qq --disable-pip-version-check --no-input \
  -c constraints.txt "${packages[@]}"
touch "$folder/.ready"
