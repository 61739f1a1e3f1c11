#!/bin/sh
# Install those of the Debian packages $@ that are missing, where this is Debian and this user may; else say how.
set -eu
command -v dpkg >/dev/null || exit 0
missing=
for package in "$@"; do
    dpkg -s "$package" >/dev/null 2>&1 || missing="$missing $package"
done
[ -n "$missing" ] || exit 0
if [ "$(id -u)" != 0 ]; then
    echo "note: for more speed and all measurements, run: sudo apt-get install$missing"
    exit 0
fi
for package in $missing; do # one by one, as a package that is not to be had must not keep the others away
    apt-get install -y -q --no-install-recommends "$package" >/dev/null 2>&1 ||
        echo "note: the package $package could not be installed; what needs it is left out and says so"
done
