#!/bin/sh
# Makes the certificates of the TLS tests anew, valid from 2020 to 2120. Their keys protect nothing.
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
: >"$work/index"
cat >"$work/ca.cnf" <<END
[ca]
default_ca = test
[test]
database = $work/index
new_certs_dir = $work
rand_serial = yes
unique_subject = no
default_md = sha256
policy = any
[any]
commonName = supplied
END

# issue NAME SUBJECT EXTENSIONS LAST_YEAR OPTIONS...: a key, and a certificate for it in NAME.crt.
issue() {
    name=$1 subject=$2 extensions=$3 last=$4
    shift 4
    openssl ecparam -name prime256v1 -genkey -noout -out "$work/$name.key"
    openssl req -new -key "$work/$name.key" -subj "/CN=$subject" -out "$work/$name.csr"
    printf '%b\n' "$extensions" >"$work/$name.ext"
    openssl ca -batch -notext -config "$work/ca.cnf" -in "$work/$name.csr" -extfile "$work/$name.ext" \
        -startdate 20200101000000Z -enddate "${last}0101000000Z" -out "$work/$name.crt" "$@" 2>/dev/null
}

# sign NAME SUBJECT EXTENSIONS LAST_YEAR: the same by the test authority, in one file with the key.
sign() {
    issue "$@" -cert "$work/authority.crt" -keyfile "$work/authority.key"
    cat "$work/$1.crt" "$work/$1.key" >"$1.pem"
}

issue authority 'lading test authority' \
    'basicConstraints=critical,CA:TRUE\nsubjectKeyIdentifier=hash' 2120 -selfsign -keyfile "$work/authority.key"
cp "$work/authority.crt" authority.pem
sign server localhost 'subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1' 2120
sign other_name registry.example 'subjectAltName=DNS:registry.example' 2120
sign sites registry.example.com 'subjectAltName=DNS:registry.example.com,DNS:auth.example.com,DNS:store.example.net' 2120
sign expired localhost 'subjectAltName=DNS:localhost,IP:127.0.0.1' 2021
sign client client 'extendedKeyUsage=clientAuth' 2120
# As so many small registries have it: its own authority, without key identifiers.
issue self_signed localhost 'subjectAltName=DNS:localhost,IP:127.0.0.1\nsubjectKeyIdentifier=none\nauthorityKeyIdentifier=none' \
    2120 -selfsign -keyfile "$work/self_signed.key"
cat "$work/self_signed.crt" "$work/self_signed.key" >self_signed.pem
openssl ec -in "$work/client.key" -aes256 -passout pass:secret -out encrypted_key.pem 2>/dev/null
