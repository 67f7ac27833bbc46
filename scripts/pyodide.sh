#!/bin/sh
# Bring Pyodide, which is Python for browsers and Node.js, and the wheel of msgspec for it: what tests/browser needs.
# Needs npm, and pip of the interpreter that is given (default: python3).
#
# usage: pyodide.sh [INTERPRETER]
set -eu
cd "$(dirname "$0")/.."
version=314.0.7
target=.venvs/pyodide
npm install --no-fund --no-audit --no-package-lock --prefix "$target" "pyodide@$version"
"${1:-python3}" -m pip download --quiet --no-deps --only-binary :all: --dest "$target" \
    --implementation cp --python-version 3.14 --abi cp314 --platform pyemscripten_2026_0_wasm32 msgspec
