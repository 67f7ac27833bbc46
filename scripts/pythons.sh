#!/bin/sh
# Which interpreters of this machine can build and test lading: CPython, 3.11 or newer, released, with venv and pip.
#
# usage: pythons.sh [INTERPRETER]
#
# Prints VERSION=PATH for the oldest release found of each version (3.11, 3.12, …), oldest first: what holds on 3.11.2 has
# not yet failed on 3.11.7. With an INTERPRETER (a name or a path) prints only that one. Every candidate is run, so shims
# that lead nowhere are left out. What is left out although it is new enough is named on stderr. Prints nothing if there is
# none.
set -u

# Has to compile on any Python, or be refused with an error that is not shown. A free-threaded build has to be named: it is
# a second 3.14 besides the usual one, and not every dependency has wheels for it. Previews have none.
probe='
import sys, sysconfig
def verdict():
    if sys.version_info < (3, 11):
        return "older than 3.11"
    if sys.implementation.name != "cpython" or sys.version_info[3] != "final":
        return "not a released CPython"
    if sysconfig.get_config_var("Py_GIL_DISABLED") and not sys.argv[1:]:
        return "free-threaded, which is used only if it is named"
    try:
        import ensurepip, venv
    except ImportError:
        return "no venv or ensurepip (on Debian and Ubuntu: apt install python3-venv)"
    return "usable"
path = getattr(sys, "_base_executable", None) or sys.executable
threads = "t" if sysconfig.get_config_var("Py_GIL_DISABLED") else ""
print("%d.%d.%d%s=%s=%s" % (sys.version_info[:3] + (threads, path, verdict())))
'

# Where pyenv, uv and scripts/python-3.14.sh keep interpreters. A pyenv shim on PATH runs only if its version is switched on.
kept=${PYENV_ROOT:-${HOME:-}/.pyenv}/versions/*/bin/
kept_by_uv=${XDG_DATA_HOME:-${HOME:-}/.local/share}/uv/python/*/bin/
kept_by_lading=${XDG_CACHE_HOME:-${HOME:-}/.cache}/lading/pythons/*/bin/

run() { # CANDIDATE [named]
    tried=$1
    shift
    "$tried" -I -c "$probe" "$@" </dev/null 2>/dev/null
}

named() {
    for candidate in "$1" $kept"$1" $kept_by_uv"$1" $kept_by_lading"$1"; do
        run "$candidate" named && return
    done
    echo "$1 is not a Python that runs here: choose a CPython 3.11 or newer" >&2
}

every() {
    old_ifs=$IFS
    IFS=:
    for directory in $PATH; do
        ls -d "$directory"/python3 "$directory"/python3.[1-9][0-9] 2>/dev/null
    done
    IFS=$old_ifs
    ls -d $kept"python3" $kept_by_uv"python3" $kept_by_lading"python3" 2>/dev/null
}

if [ $# -gt 0 ]; then
    named "$1"
else
    every | sort -u | while read -r candidate; do run "$candidate"; done
fi |
    sort -t . -k 1,1n -k 2,2n -k 3,3n -s |
    awk -F = -v chosen=$# '
        seen[$1]++                               { next }
        { split($1, part, "."); version = part[1] "." part[2] }
        $3 == "usable" && $2 !~ /[[:space:]]/    { if (!printed[version]++) print $1 "=" $2; next }
        chosen || ($3 !~ /older/)                { print $2 " (" $1 ") is left out: " $3 | "cat >&2" }
    '
