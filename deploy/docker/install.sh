#!/bin/sh
# install.sh ROLE VARIANT: installs what a role imports into /opt/tandem/venv, by the builder's own pip.
set -eu
cd /build
python3 requirements.py "$1" "$2" >requirements.txt
python3 -m pip --python /opt/tandem/venv/bin/python install --disable-pip-version-check \
    --only-binary=:all: --find-links /wheels --requirement requirements.txt
