#!/bin/sh
# CPython 3.14 for Linux on x86-64, which few distributions have: from Maven Central, once for the machine's cache.
#
# usage: python-3.14.sh [INTERPRETER]
#
# The archive is that of the JavaCPP presets (github.com/bytedeco/javacpp-presets), a build of CPython as released that finds
# its libraries from where it is put. Needs mvn, and any Python 3 to unpack with. scripts/pythons.sh finds the result. Exits
# with status 1 and the reason if it cannot be had, and with 2 if the archive has another sum than the one below.
set -eu
python=${1:-python3}
version=3.14.3
artifact=cpython-$version-1.5.13-linux-x86_64.jar
sum=eb5f1a6fe2dc498ac18927189a37f28a47b0ba06ae6bd85112eff023fe2eb46f
cache=${XDG_CACHE_HOME:-$HOME/.cache}/lading/pythons
plugin=org.apache.maven.plugins:maven-dependency-plugin:3.8.1

main() {
    if [ -x "$cache/$version/bin/python3.14" ]; then
        echo "$cache/$version/bin/python3.14"
        return
    fi
    [ "$(uname -sm)" = 'Linux x86_64' ] || missing "its archive is for Linux on x86-64, and this is $(uname -sm)"
    command -v mvn >/dev/null || missing 'Maven is not installed, which downloads it (on Debian and Ubuntu: apt install maven)'
    mkdir -p "$cache"
    work=$(mktemp -d "$cache/new.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    said=$(mvn --batch-mode --quiet "$plugin:copy" "-DoutputDirectory=$work" \
        "-Dartifact=org.bytedeco:cpython:$version-1.5.13:jar:linux-x86_64" </dev/null 2>&1) ||
        missing "Maven could not download it: $(printf '%s\n' "$said" | head -n 1)"
    if ! echo "$sum  $work/$artifact" | sha256sum --check --status; then
        echo "python-3.14.sh: $artifact does not have the sum $sum" >&2
        exit 2
    fi
    "$python" -m zipfile -e "$work/$artifact" "$work"
    home=$work/org/bytedeco/cpython/linux-x86_64
    # A zip has no modes here, the programs of bin start the interpreter of the machine that built them, and _ctypes looks
    # for its library in the directory above its own.
    chmod +x "$home/bin/python3" "$home/bin/python3.14"
    rm -f "$home"/bin/pip* "$home"/bin/pydoc* "$home"/bin/idle*
    ln -s ../../libffi.so.8 "$home/lib/python3.14/libffi.so.8"
    "$home/bin/python3.14" -c 'import bz2, compression.zstd, ctypes, ensurepip, lzma, ssl, venv, zlib' ||
        missing 'it does not run here; the line above names the library that it lacks'
    mv -T "$home" "$cache/$version" || [ -x "$cache/$version/bin/python3.14" ] # another run was first
    echo "$cache/$version/bin/python3.14"
}

# REASON
missing() {
    echo "CPython $version is missing: $1" >&2
    exit 1
}

main
