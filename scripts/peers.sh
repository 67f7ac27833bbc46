#!/bin/sh
# Programs of other projects that lading is tested with and compared to: in .venvs/peers, which make puts first on PATH.
#
# usage: peers.sh [INTERPRETER]
#
# Linux distributions do not have these programs, or have old ones. Go builds each from its module, once for a cache. The
# sum is that of the module's content (`go mod download -json`); the go.sum in it has those of all that it needs, so the
# checksum database is not asked. A program that cannot be built leaves its reason in .venvs/peers/NAME.missing, which
# tests/support/programs.py reads; a module with another sum than the one below ends the script.
set -eu
cd "$(dirname "$0")/.."
python=${1:-python3}
peers=$PWD/.venvs/peers
cache=${XDG_CACHE_HOME:-$HOME/.cache}/lading/peers

main() {
    mkdir -p "$peers"
    build registry v3.1.2 github.com/distribution/distribution/v3 cmd/registry \
        h1:/Bv2YIqqSR00HiO49FT93hovy6r9IlrzwUDsJjCN5qg= \
        -X=github.com/distribution/distribution/v3/version.version=v3.1.2
    build crane v0.22.1 github.com/google/go-containerregistry cmd/crane \
        h1:RZuuSYhTvlDvtsK+NkutoCZ//C0X2ebLK8X8l3ULs84= \
        -X=github.com/google/go-containerregistry/cmd/crane/cmd.Version=v0.22.1
    build regctl v0.11.7 github.com/regclient/regclient cmd/regctl \
        h1:Jsjlnd0ZQ2Blh0vaJtxJ0pU549VajvZ6BTL/4R7noMo= \
        -X=github.com/regclient/regclient/internal/version.vcsTag=v0.11.7
    build oras v1.3.0 oras.land/oras cmd/oras \
        h1:PdxrW0wRu24AMRnJcQWhUXTk33bDHCdSvyWcKoAxArE= \
        -X=oras.land/oras/internal/version.BuildMetadata=
    # Without the C libraries that skopeo would have for signatures and storage.
    build skopeo v1.19.0 github.com/containers/skopeo cmd/skopeo \
        h1:MiA+kxXGHg47GeHqdqyipNwBOa4OaBxFnFiNiwtcYu0= \
        '' containers_image_openpgp,exclude_graphdriver_btrfs
    # The conformance program of the distribution specification's main branch, which has no release of its own.
    build oci-conformance v0.0.0-20260831232431-97274622c111 github.com/opencontainers/distribution-spec/conformance . \
        h1:ppZPU0CrEPzyJhVggYwUIZrqh0w2lIT0esw+9ABNPA4=
    oras_py
    missing zot "the Go module proxy does not serve its module; install zot from zotregistry.dev"
}

# NAME VERSION MODULE PACKAGE SUM [LINKER-FLAGS [TAGS]]
build() {
    # The name of a directory says all that the program was built from, so that another version or flag is built again.
    made=$cache/$1-$2-$(printf '%s' "$*" | cksum | cut -d ' ' -f 1)/$1
    if [ ! -x "$made" ]; then
        if ! command -v go >/dev/null; then
            missing "$1" "Go is not installed, which builds it"
            return
        fi
        if ! found=$(GONOSUMDB=$3 go mod download -json "$3@$2" 2>&1); then
            missing "$1" "the module $3@$2 could not be downloaded: $found"
            return
        fi
        if ! printf '%s' "$found" | grep -qF "\"Sum\": \"$5\""; then
            echo "peers.sh: $3@$2 does not have the sum $5: $found" >&2
            exit 1
        fi
        work=$(mktemp -d)
        cp -r --no-preserve=mode "$(printf '%s' "$found" | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p')/." "$work"
        if ! (cd "$work" && CGO_ENABLED=0 go build -mod=readonly -trimpath -buildvcs=false \
            -ldflags "${6:-}" -tags "${7:-}" -o "$made" "./$4"); then
            missing "$1" "go build failed for $3@$2"
        fi
        rm -rf "$work"
    fi
    if [ -x "$made" ]; then
        ln -sf "$made" "$peers/$1"
        rm -f "$peers/$1.missing"
        echo "$1 $2"
    fi
}

# oras-py beside its own tests, in an environment apart from ours, under the name of the interpreter that runs them.
oras_py() {
    home=$PWD/.venvs/oras-py
    if "$python" -m venv --clear --without-pip "$home" &&
        "$python" -m pip --python "$home/bin/python" install --quiet --group oras-py; then
        printf '#!/bin/sh\nexec "%s/bin/python" "$@"\n' "$home" >"$peers/oras-py"
        chmod +x "$peers/oras-py"
        rm -f "$peers/oras-py.missing"
        echo "oras-py"
    else
        missing oras-py "its package could not be installed"
    fi
}

# NAME REASON
missing() {
    rm -f "$peers/$1"
    printf '%s\n' "$2" | tr '\n' ' ' >"$peers/$1.missing"
    echo "$1 is missing: $2" >&2
}

main
