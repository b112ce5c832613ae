#!/usr/bin/env bash
# Builds a stand-in for the SeaweedFS image, for machines that have Go but no access to an image registry: an S3 store
# that keeps objects as files, has a single access key, and accepts SeaweedFS's arguments.
#
#   make_s3_image.sh NAME:TAG
set -euo pipefail
image=${1:?usage: make_s3_image.sh NAME:TAG}
here=$(dirname "$(realpath "$0")")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
GOBIN=$folder/usr/local/bin CGO_ENABLED=0 GOFLAGS= go install -trimpath -ldflags '-s -w' github.com/versity/versitygw/cmd/versitygw@v1.8.0
mmdebstrap --quiet --variant=minbase --include=ca-certificates --dpkgopt='path-exclude=/usr/share/doc/*' \
  --customize-hook="copy-in '$folder/usr/local/bin/versitygw' '$here/weed' /usr/local/bin" \
  --customize-hook='rm -rf "$1"/var/lib/apt/lists/* "$1"/var/cache/apt/*' bookworm "$folder/image.tar"
docker import --change 'ENV PATH=/usr/local/bin:/usr/bin:/bin' --change 'ENTRYPOINT ["weed"]' "$folder/image.tar" "$image" > /dev/null
