#!/bin/sh
# Makes a virtual environment and installs this checkout into it: tools/install.sh FOLDER [EXTRA].
#
# PYTHON       the interpreter to use; by default the first Python 3.11 or newer that is found
# TORCH_INDEX  an index to take torch from, such as https://download.pytorch.org/whl/cpu
set -eu

venv=$1
extra=${2:-}
cd "$(dirname "$0")/.."

usable() {
    command -v "$1" >/dev/null 2>&1 &&
        "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

find_python() {
    for candidate in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11 python}; do
        if usable "$candidate"; then
            echo "$candidate"
            return
        fi
    done
    echo "ninefold needs Python 3.11 or newer; found $(${PYTHON:-python3} --version 2>&1 || :)." >&2
    echo "Install one, or name one: PYTHON=/path/to/python3.12 make demo" >&2
    exit 2
}

if ! "$venv/bin/python" -c 'import pip' >/dev/null 2>&1; then
    python=$(find_python)
    if ! "$python" -m venv --clear "$venv"; then
        rm -rf "$venv"
        echo "$python cannot make a virtual environment. On Debian and Ubuntu:" >&2
        echo "  apt-get install python3-venv" >&2
        exit 2
    fi
fi

quiet=--quiet
if [ -t 1 ]; then quiet=; fi  # someone is watching a long download

pip() {
    "$venv/bin/python" -m pip $quiet --disable-pip-version-check "$@"
}

# Torch's default build for Linux brings CUDA, several GB of it, which is of no use without a GPU.
if ! "$venv/bin/python" -c 'import importlib.util as u, sys; sys.exit(not u.find_spec("torch"))'; then
    echo "Installing torch into $venv. This takes a few minutes, once."
    if [ -n "${TORCH_INDEX:-}" ]; then
        pip install "torch>=2.6" --index-url "$TORCH_INDEX"
    elif [ "$(uname -s)" = Linux ] && ! command -v nvidia-smi >/dev/null 2>&1; then
        cpu=$("$venv/bin/python" -m pip index versions torch 2>/dev/null |
            grep -o '[0-9][0-9.]*+cpu' | head -n 1 || :)
        if [ -n "$cpu" ]; then
            pip install "torch==$cpu"
        elif [ "$(uname -m)" = x86_64 ]; then
            echo "No CPU build of torch at hand, so pip takes the one with CUDA. To avoid it:"
            echo "  TORCH_INDEX=https://download.pytorch.org/whl/cpu make demo"
        fi
    fi
fi

echo "Installing ninefold into $venv."
pip install --editable ".${extra:+[$extra]}"
if [ "$extra" = dev ]; then
    # Without torchvision, which it names for models that are of no use here, and which transformers
    # would work by.
    pip install --no-deps "spandrel>=0.4,<1" "einops>=0.8,<1"
fi
touch "$venv/.installed" "$venv/.installed${extra:+-$extra}"
