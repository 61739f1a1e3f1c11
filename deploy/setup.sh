#!/bin/sh
# Make the virtual environment $1 and install Tandem into it with the extras $2 of pyproject.toml.
set -eu
venv=$1 extras=$2
python=${PYTHON:-python3}

"$python" - <<'PY' || exit 1
import sys
if not (3, 11) <= sys.version_info[:2] <= (3, 13):
    sys.exit(f"Tandem needs Python 3.11 to 3.13, this is {sys.version.split()[0]}; set PYTHON=/path/to/python3.11")
PY
if ! "$python" -m venv "$venv" 2>/dev/null; then
    echo "python3-venv is missing: run 'apt-get install python3-venv' (Debian, Ubuntu) and try again" >&2
    exit 1
fi
echo "installing into $venv (the first time takes a few minutes)"
# Without a compiler there is no native kernel: PyTorch computes.
command -v g++ >/dev/null || command -v clang++ >/dev/null || command -v c++ >/dev/null || extras=$extras,torch
quiet=-qq
if [ -t 1 ]; then quiet=; fi # people get pip's progress, logs do not
"$venv/bin/python" -m pip install --disable-pip-version-check $quiet --no-compile --constraint constraints.txt -e ".[$extras]"
# Pip would do this on one core, for a minute. Some packages bring templates that are not Python yet: they stay as they are.
"$venv/bin/python" -m compileall -qq -j 0 "$venv/lib" || true
echo "installed. Next: \`make demo\` for a tour, \`make up\` to serve, \`$venv/bin/tandem doctor\` for what this machine offers"
