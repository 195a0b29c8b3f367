#!/bin/sh
# What goes into the image, without a container engine: deploy/Containerfile calls this, and so does tests/e2e/test_image.py.
#
#   build.sh install FOLDER   Pilotage and its locked requirements, byte-compiled and read-only, in FOLDER
#   build.sh smoke FOLDER     prove, as a user without rights, that it runs where nothing can be written
#
# FOLDER must be where it will run from: its programs hold the path. $PYTHON is the interpreter (python3 if not given).
set -eu
umask 022
source=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd)
python=${PYTHON:-python3}

install() {
  folder=$1
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  "$python" -m venv "$work/build"
  "$work/build/bin/python" -m pip install --quiet --require-hashes --no-deps -r "$source/requirements/build.txt"
  # A copy, for a build leaves its traces beside the sources; of links what they lead to, for pages are data of the package.
  mkdir "$work/source"
  cp -RL "$source/pyproject.toml" "$source/README.md" "$source/LICENSE" "$source/src" "$work/source"
  "$work/build/bin/python" -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir "$work" "$work/source"

  "$python" -m venv --without-pip "$folder"
  into="$work/build/bin/python -m pip --python $folder/bin/python install --quiet --no-compile --no-deps"
  $into --require-hashes -r "$source/requirements/image.txt"
  $into --no-index "$work"/pilotage-*.whl
  "$work/build/bin/python" -m pip --python "$folder/bin/python" check
  # By content, not by time: times change when layers are packed, and nobody may write there later.
  "$folder/bin/python" -m compileall -q -j 0 --invalidation-mode unchecked-hash "$folder/lib"
  chmod -R a-w,a+rX "$folder"
}

smoke() {
  folder=$1
  test "$(id -u)" -ne 0 || { echo "root may write everywhere: run this as another user" >&2; exit 1; }
  test -z "$(find "$folder" ! -type l -perm /0222 -print -quit)" || { echo "$folder can be written to" >&2; exit 1; }
  HOME=$(mktemp -d) XDG_CACHE_HOME=$HOME PYTHONDONTWRITEBYTECODE=1
  export HOME XDG_CACHE_HOME PYTHONDONTWRITEBYTECODE
  trap 'rm -rf "$HOME"' EXIT
  "$folder/bin/pilotage" version --client
  "$folder/bin/pilotage" operator --help >/dev/null
  # Helm's engine is a library of its own: it has to load, too.
  "$folder/bin/python" -c 'import helm_python; helm_python.helm_sdk_version()'
}

case "${1:-}:${2:-}" in
  install:/* | smoke:/*) "$1" "$2" ;;
  *) echo "usage: $0 install|smoke /FOLDER" >&2 && exit 2 ;;
esac
