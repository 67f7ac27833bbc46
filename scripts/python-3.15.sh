#!/bin/sh
# The tests of what differs most between versions, on the CPython 3.15 of Debian's unstable distribution.
#
# usage: python-3.15.sh [ARGUMENT-OF-PYTEST]...
#
# debootstrap makes a small Debian, once for the machine's cache; delete the directory to have its newest 3.15. The tests
# run in a chroot there, on a copy of the checkout, which takes root. /proc, terminals and the machine's certificates are
# mounted for this process and its children alone. The status is that of pytest, or 1 with the reason if 3.15 cannot be had.
set -eu
cd "$(dirname "$0")/.."
debian=${XDG_CACHE_HOME:-$HOME/.cache}/lading/pythons/debian-sid
tested='tests/values tests/wire tests/documents tests/stores tests/repository tests/transfer tests/io tests/faces'

main() {
    [ "$(id -u)" -eq 0 ] || missing 'a chroot takes root'
    command -v debootstrap >/dev/null || missing 'debootstrap is not installed (on Debian and Ubuntu: apt install debootstrap)'
    if [ ! -e "$debian/ready" ]; then
        rm -rf "$debian"
        mkdir -p "$debian"
        debootstrap --variant=minbase --include=python3.15,python3.15-venv,python3-pip,procps sid "$debian" \
            >"$debian.log" 2>&1 || missing "debootstrap could not make a Debian: $(tail -n 1 "$debian.log")"
        touch "$debian/ready"
    fi
    rm -rf "$debian/lading"
    mkdir -p "$debian/lading"
    git ls-files -z --cached --others --exclude-standard | tar --null --files-from - --create | tar -C "$debian/lading" -x
    # Mounts of a namespace of its own end with its last process.
    exec unshare --mount sh -eu -s "$debian" ${*:-$tested} <<'INSIDE'
        debian=$1
        shift
        mkdir -p "$debian/etc/ssl/certs"
        mount -t proc proc "$debian/proc"
        mount --bind /dev/pts "$debian/dev/pts"
        mount --bind --read-only /etc/ssl/certs "$debian/etc/ssl/certs"
        cp /etc/resolv.conf "$debian/etc/resolv.conf"
        export HOME=/root LANG=C.UTF-8 PIP_ROOT_USER_ACTION=ignore
        unset XDG_CACHE_HOME XDG_DATA_HOME TMPDIR
        exec chroot "$debian" sh -eu -c '
            cd /lading
            python3.15 --version
            python3.15 -m venv --clear /root/environment
            python=/root/environment/bin/python
            $python -m pip install --quiet --upgrade "pip>=25.1"
            $python -m pip install --quiet --editable ".[cli]" --group test
            exec $python -m pytest -p no:cacheprovider --quiet --numprocesses auto --maxprocesses 4 --dist worksteal "$@"
        ' sh "$@" </dev/null
INSIDE
}

# REASON
missing() {
    echo "CPython 3.15 is missing: $1" >&2
    exit 1
}

main "$@"
