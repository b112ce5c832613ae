#!/bin/sh
# Creates the secrets that the manifests need, with random keys; keeps existing secrets. docs/kubernetes.md lists them.
# No password is passed as a command-line argument.
set -eu
kubectl apply -f "$(dirname "$0")/base/namespace.yaml"

# secret NAMESPACE NAME: creates a secret from KEY=VALUE lines on standard input, unless it exists
secret() {
  if kubectl -n "$1" get secret "$2" > /dev/null 2>&1; then
    echo "secret/$2 exists"
  else
    kubectl -n "$1" create secret generic "$2" --from-env-file=/dev/stdin
  fi
}
# value NAMESPACE NAME KEY: prints a value of a secret
value() { kubectl -n "$1" get secret "$2" -o "jsonpath={.data.$3}" | base64 -d; }

echo "password=$(openssl rand -hex 20)" | secret darkroom darkroom-postgres
password=$(value darkroom darkroom-postgres password)

printf 'AWS_ACCESS_KEY_ID=%s\nAWS_SECRET_ACCESS_KEY=%s\n' "$(openssl rand -hex 10)" "$(openssl rand -hex 20)" \
  | secret darkroom darkroom-s3-env
access_key=$(value darkroom darkroom-s3-env AWS_ACCESS_KEY_ID)
secret_key=$(value darkroom darkroom-s3-env AWS_SECRET_ACCESS_KEY)
credentials='"credentials": [{"accessKey": "'$access_key'", "secretKey": "'$secret_key'"}]'
echo 's3.json={"identities": [{"name": "darkroom", '"$credentials"', "actions": ["Admin", "Read", "Write", "List"]}]}' \
  | secret darkroom darkroom-s3-config

# The secrets for the tasks, in the namespace of Kubeflow Pipelines.
endpoint=http://s3.darkroom.svc.cluster.local:8333
printf 'access_key=%s\nsecret_key=%s\nendpoint=%s\nregion=us-east-1\naddressing_style=path\n' \
  "$access_key" "$secret_key" "$endpoint" | secret kubeflow darkroom-s3
echo "url=postgresql://darkroom:$password@postgres.darkroom/optuna" | secret kubeflow darkroom-studies
