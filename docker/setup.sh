#!/bin/sh
# Once, before the first `docker compose up`: makes .env (from .env.example), passwords for Redis and Grafana, an API key.
# What exists stays. The API key is printed here and nowhere else: only its sha256 is kept.
set -eu
cd "$(dirname "$0")/.."
env_file=${ENV_FILE:-.env} secrets=${SECRETS:-secrets}
[ -e "$env_file" ] || cp .env.example "$env_file"
# The folder keeps other users of this machine out; the files must be readable by the containers' users.
mkdir -p "$secrets" && chmod 700 "$secrets"
random() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }
for name in redis_password grafana_password; do
    [ -e "$secrets/$name" ] || random > "$secrets/$name"
done
if [ ! -e "$secrets/api_keys" ]; then
    key="cr_$(random)"
    printf '{"default": "%s"}\n' "$(printf %s "$key" | sha256sum | cut -d' ' -f1)" > "$secrets/api_keys"
    echo "API key (kept nowhere else): $key"
fi
chmod 444 "$secrets"/*
