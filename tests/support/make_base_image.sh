#!/usr/bin/env bash
# Builds a base image from Debian's packages, for machines without access to an image registry:
#
#   tests/support/make_base_image.sh darkroom-base:bookworm && make images BASE_IMAGE=darkroom-base:bookworm
#
# It replaces python:3.11-slim. It contains this machine's certificates and pip settings, so that packages can be
# installed as on this machine; build images for other machines on a public base image instead.
set -euo pipefail
image=${1:?usage: make_base_image.sh NAME:TAG}
for program in mmdebstrap docker; do
  command -v "$program" > /dev/null || { echo "$program is needed: apt-get install mmdebstrap docker.io" >&2; exit 2; }
done
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
certificates=${SSL_CERT_FILE:-/etc/ssl/certs/ca-certificates.crt}
hooks=(
  "--customize-hook=cp '$certificates' \"\$1/etc/ssl/certs/ca-certificates.crt\""
  '--customize-hook=rm -rf "$1"/var/lib/apt/lists/* "$1"/var/cache/apt/* "$1"/usr/share/locale/* "$1"/var/log/*.log'
)
if [ -f /etc/pip.conf ]; then hooks+=('--customize-hook=cp /etc/pip.conf "$1/etc/pip.conf"'); fi
mmdebstrap --quiet --variant=minbase --include=python3,python3-venv,ca-certificates --dpkgopt='path-exclude=/usr/share/doc/*' \
  --dpkgopt='path-exclude=/usr/share/man/*' "${hooks[@]}" bookworm "$folder/base.tar"
docker import --change 'ENV SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt' "$folder/base.tar" "$image" > /dev/null
docker image inspect --format '{{.RepoTags}} {{.Size}} bytes' "$image"
