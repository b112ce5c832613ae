#!/bin/sh
# Creates the virtual environment from the lock: environment.sh FOLDER [PYTHON]. `make` calls it from the root of the
# repository. uv comes from its own lock, checked by its hash. If no Python on PATH fits, uv fetches one.
set -eu
venv=$1
python=${2:-}

case "$PWD" in
  *%*)
    echo "The path of the project must not hold a percent sign, because MLflow cannot be installed in such a folder;" \
      "it is $PWD. Rename the folder." >&2
    exit 2
    ;;
esac

fits() {
  "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' > /dev/null 2>&1
}

fail() {
  echo "$*" >&2
  exit 2
}

if [ -n "$python" ]; then
  fits "$python" || fail "Python 3.11, 3.12 or 3.13 is needed; PYTHON=$python is" \
    "$("$python" --version 2>&1 || true). Name another: make PYTHON=/path/to/python3.12"
else
  for name in python3.11 python3.12 python3.13 python3 python; do
    if fits "$name"; then
      python=$(command -v "$name")
      break
    fi
  done
fi

# Prints the path of uv, installed by its hash into a new environment: install_uv FOLDER PYTHON.
install_uv() {
  "$2" -m venv --clear "$1" > /dev/null 2>&1 &&
    "$1/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt >&2 &&
    echo "$1/bin/uv"
}

echo "Installing into $venv (once; about 3 GB)…"
if [ -z "$python" ] || ! uv=$(install_uv "$venv" "$python"); then
  # No Python fits, or Debian's has no venv module: any other Python that can install uv will do, or a uv on PATH.
  uv=$(install_uv "$venv.uv" python3 || install_uv "$venv.uv" python || command -v uv) || fail "Python 3.11, 3.12 or" \
    "3.13 with its venv module is needed, or uv to fetch one; none works here. Debian and Ubuntu: apt-get install" \
    "python3-venv. Elsewhere install one of these, and name it: make PYTHON=/path/to/python3.12"
  [ -n "$python" ] || echo "No Python 3.11, 3.12 or 3.13 is on PATH; uv looks for Python 3.12, or fetches it…"
  "$uv" venv --quiet --clear --seed --python "${python:-3.12}" "$venv" || fail "Python 3.11, 3.12 or 3.13 is needed;" \
    "none is on PATH, and uv could not fetch one (its message is above). Install one and name it:" \
    "make PYTHON=/path/to/python3.12"
fi
"$uv" pip install --quiet --python "$venv/bin/python" --require-hashes --compile-bytecode -r requirements/laptop.txt
"$uv" pip install --quiet --python "$venv/bin/python" --no-deps --no-build-isolation --editable .
rm -rf "$venv.uv"
