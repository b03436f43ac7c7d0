#!/bin/sh
# Installs the client libraries of other projects that the tests run, as they are pinned here:
# tests/server/clients/install.sh PYTHON. Those for Node are left out where there is no npm.
set -eu

python=$1
cd "$(dirname "$0")"

echo "Installing client libraries into tests/server/clients. This takes a minute or two, once."
"$python" -m venv --clear .venv
.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-compile \
    --requirement requirements.txt --constraint constraints.txt
if command -v npm >/dev/null 2>&1; then
    npm ci --silent --no-audit --no-fund
else
    echo "npm is not installed: the clients for Node are left out." >&2
fi
touch .venv/.installed
