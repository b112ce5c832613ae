#!/usr/bin/env bash
# Builds a stand-in for the image postgres:17 from Debian packages, for machines without access to an image registry:
#
#   make_postgres_image.sh NAME:TAG
set -euo pipefail
image=${1:?usage: make_postgres_image.sh NAME:TAG}
here=$(dirname "$(realpath "$0")")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mmdebstrap --quiet --variant=minbase --include=postgresql-17 --dpkgopt='path-exclude=/usr/share/doc/*' \
  --customize-hook='chroot "$1" usermod --uid 999 postgres' \
  --customize-hook='chroot "$1" groupmod --gid 999 postgres' \
  --customize-hook="copy-in '$here/docker-entrypoint.sh' /usr/local/bin" \
  --customize-hook='rm -rf "$1"/var/lib/apt/lists/* "$1"/var/cache/apt/* "$1"/var/lib/postgresql/17 "$1"/etc/postgresql/17' \
  trixie "$folder/image.tar"
docker import --change 'ENV PATH=/usr/lib/postgresql/17/bin:/usr/local/bin:/usr/bin:/bin' \
  --change 'ENTRYPOINT ["docker-entrypoint.sh"]' --change 'CMD ["postgres"]' "$folder/image.tar" "$image" > /dev/null
