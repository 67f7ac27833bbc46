#!/bin/sh
# CPython for Windows, with the packages that the tests need, under Wine: in .venvs/windows, for `make windows`.
#
# usage: windows.sh [INTERPRETER]
#
# The interpreter is the one that Bytedeco publishes to Maven Central; Wine is Debian's. What is made has a launcher,
# .venvs/windows/python, for which lading is installed from this checkout. If a tool is missing or a download fails, the
# reason is left in .venvs/peers/windows.missing; an interpreter with another sum than the one below ends the script.
set -eu
cd "$(dirname "$0")/.."
python=${1:-python3}
version=3.14.3
artifact=cpython-$version-1.5.13-windows-x86_64.jar
sum=3291bf3d8f405335ac21dbe55780521fdfd295b0f9f43f7e6e8c55bedd709cb3
plugin=org.apache.maven.plugins:maven-dependency-plugin:3.8.1
cache=${XDG_CACHE_HOME:-$HOME/.cache}/lading/pythons
home=$PWD/.venvs/windows
packages=$home/cpython/lib/site-packages
reason=$PWD/.venvs/peers/windows.missing

main() {
    mkdir -p "$cache" "${reason%/*}"
    rm -rf "$home"
    # Debian's wine64 package puts the program beside its libraries.
    wine=$(PATH=$PATH:/usr/lib/wine command -v wine64) || missing "wine64 is not installed (apt install wine64)"
    fetch
    unpack
    install || missing "pip could not install the packages"
    launcher
    # Wine fills its directory at the first start.
    "$home/python" -c 'import sys; assert sys.platform == "win32"' || missing "Wine could not run the interpreter"
    rm -f "$reason"
    touch "$home/ready"
}

fetch() {
    if [ ! -e "$cache/$artifact" ]; then
        command -v mvn >/dev/null || missing "mvn is not installed, which fetches the interpreter (apt install maven)"
        work=$(mktemp -d "$cache/fetching.XXXXXX")
        if ! mvn --batch-mode --quiet "$plugin:copy" "-DoutputDirectory=$work" \
            "-Dartifact=org.bytedeco:cpython:$version-1.5.13:jar:windows-x86_64" </dev/null; then
            rm -rf "$work"
            missing "Maven could not fetch $artifact"
        fi
        mv "$work/$artifact" "$cache/$artifact"
        rmdir "$work"
    fi
    if ! printf '%s  %s\n' "$sum" "$cache/$artifact" | sha256sum --check --quiet; then
        echo "windows.sh: $cache/$artifact does not have the SHA-256 $sum: delete it, or find out who changed it" >&2
        exit 1
    fi
}

unpack() {
    mkdir -p "$home"
    "$python" -m zipfile -e "$cache/$artifact" "$home/unpacked"
    mv "$home/unpacked/org/bytedeco/cpython/windows-x86_64" "$home/cpython"
    rm -r "$home/unpacked"
    cat >"$packages/sitecustomize.py" <<END
import _winapi
import sys

# Wine 8 lacks what the modules platform and shutil ask through these, and do without.
sys.modules["_wmi"] = None
del _winapi.CopyFile2
sys.pycache_prefix = r"Z:$home/pycache"  # apart from those of other systems
END
}

# pip evaluates markers for the machine that it runs on. So it is given what the markers leave on Windows, and the two
# packages that others of ours need only there.
install() {
    "$python" -c '
import tomllib
from pip._vendor.packaging.requirements import Requirement

windows = {"python_version": "3.14", "python_full_version": "3.14.3", "sys_platform": "win32", "os_name": "nt"}
with open("pyproject.toml", "rb") as file:
    declared = tomllib.load(file)
project = declared["project"]
for line in project["dependencies"] + project["optional-dependencies"]["cli"] + declared["dependency-groups"]["test"]:
    requirement = Requirement(line)
    if requirement.marker is None or requirement.marker.evaluate(windows):
        print(f"{requirement.name}{requirement.specifier}")
print("cffi", "colorama", sep="\n")
' >"$home/requirements.txt" &&
        "$python" -m pip install --quiet --target "$packages" --platform win_amd64 --python-version 3.14 \
            --only-binary=:all: --requirement "$home/requirements.txt" &&
        "$python" -m pip install --quiet --target "$packages" --no-deps --editable .
}

# Wine loses what a program of Windows writes to a file that it inherits, so there is a pipe.
launcher() {
    cat >"$home/python" <<END
#!/bin/sh
# To compile everything at each start takes seconds.
unset PYTHONDONTWRITEBYTECODE PYTHONPATH PYTHONHOME
export WINEDEBUG=-all WINEPREFIX='$home/wine'
exec 4>&1
exit "\$({ { '$wine' '$home/cpython/python.exe' "\$@" </dev/null 2>&1; echo \$? >&3; } | cat >&4; } 3>&1)"
END
    chmod +x "$home/python"
}

missing() { # REASON
    echo "$1" >"$reason"
    echo "Windows is not tried: $1" >&2
    exit
}

main
