#!/bin/sh
# Install the Debian packages $@ that are missing, if this is Debian and the user is root; otherwise say how.
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
echo "installing Debian packages:$missing"
for package in $missing; do # one by one, so that an unavailable package does not prevent the others
    apt-get install -y -q --no-install-recommends "$package" >/dev/null 2>&1 ||
        echo "note: the package $package could not be installed; what needs it is left out and says so"
done
