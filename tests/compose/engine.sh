#!/usr/bin/env bash
# Makes this machine able to test the stack, without any registry of images: a Docker engine and both generations of
# Compose from Debian's packages, a base image from debootstrap, Redis on top of it, and a wheelhouse.
#   tests/compose/engine.sh start     what is there already stays
#   tests/compose/engine.sh stop      ends the engine if `start` started it
set -euo pipefail
cd "$(dirname "$0")/../.."
cache=$PWD/.cache/compose
base=chartreward-test/base:bookworm
redis=chartreward-test/redis:7
mirror=${DEBIAN_MIRROR:-http://deb.debian.org/debian}
mkdir -p "$cache"
export DOCKER_BUILDKIT=1
# Debian's docker builds with BuildKit by itself; a newer client on the path may need a plugin for that.
docker() { if [ -x /usr/bin/docker ]; then /usr/bin/docker "$@"; else command docker "$@"; fi; }
say() { echo "engine.sh: $*" >&2; }

install_packages() {
    local missing=()
    command -v dockerd > /dev/null || missing+=(docker.io)
    command -v docker-compose > /dev/null || missing+=(docker-compose)
    command -v debootstrap > /dev/null || missing+=(debootstrap)
    command -v iptables > /dev/null || missing+=(iptables)
    [ ${#missing[@]} -gt 0 ] || return 0
    say "installing ${missing[*]}"
    apt-get -qq update
    DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends install "${missing[@]}" > "$cache/apt.log" 2>&1
}

start_engine() {
    docker info > /dev/null 2>&1 && return 0
    say "starting dockerd (log: $cache/dockerd.log)"
    # Not every kernel has what iptables' nft flavour needs; the legacy one is a sibling binary. Ours alone to use.
    mkdir -p "$cache/sbin"
    local tool
    for tool in iptables ip6tables; do
        [ ! -x "/usr/sbin/$tool-legacy" ] || ln -sf "/usr/sbin/$tool-legacy" "$cache/sbin/$tool"
    done
    PATH=$cache/sbin:$PATH setsid dockerd > "$cache/dockerd.log" 2>&1 < /dev/null &
    echo $! > "$cache/dockerd.pid"
    for _ in $(seq 60); do
        docker info > /dev/null 2>&1 && return 0
        sleep 0.5
    done
    tail -n 20 "$cache/dockerd.log" >&2
    say "dockerd does not start"
    exit 1
}

make_base_image() {
    docker image inspect "$base" > /dev/null 2>&1 && return 0
    say "making $base with debootstrap"
    local root
    root=$(mktemp -d)
    debootstrap --variant=minbase --include=python3,python3-venv,ca-certificates bookworm "$root" "$mirror" \
        > "$cache/debootstrap.log" 2>&1
    rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/* "$root"/usr/share/{doc,man}
    tar -C "$root" -c . | docker import -c 'ENV PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' - "$base" > /dev/null
    rm -rf "$root"
}

make_redis_image() { # laid out like the official image: user 999:1000, /data
    docker image inspect "$redis" > /dev/null 2>&1 && return 0
    say "making $redis"
    docker build -q --network host -t "$redis" - > /dev/null <<DOCKERFILE
FROM $base
RUN apt-get -qq update && apt-get -qq -y --no-install-recommends install redis-server \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt && install -d -o 999 -g 1000 /data
VOLUME /data
DOCKERFILE
}

fill_wheelhouse() { # anew when a pin has changed
    local sum
    sum=$(cat requirements/*.txt | sha256sum)
    [ "$(cat "$cache/wheelhouse.sum" 2> /dev/null)" != "$sum" ] || [ ! -e "$(echo wheelhouse/torch-*.whl)" ] || return 0
    say "filling wheelhouse/"
    # Where pip is set up with wheels of its own, it finds the CPU torch there.
    if [ -n "${PIP_FIND_LINKS:-}" ]; then export TORCH_INDEX=${TORCH_INDEX:-}; fi
    PYTHON=${PYTHON:-$PWD/.venv/bin/python} docker/wheelhouse.sh >&2
    echo "$sum" > "$cache/wheelhouse.sum"
}

fetch_from_debian_13() { # PACKAGE, file in it, name to keep it under: programs that 12 lacks and that run there
    [ ! -x "$cache/$3" ] || return 0
    say "fetching $3"
    local apt="$cache/apt"
    local options=(-qq -o "Dir::Etc::sourcelist=$apt/trixie.list" -o Dir::Etc::sourceparts=- -o "Dir::State::lists=$apt/lists"
        -o APT::Sandbox::User=root)
    if [ ! -e "$apt/trixie.list" ]; then
        mkdir -p "$apt/lists/partial"
        echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror trixie main" > "$apt/trixie.list"
        apt-get "${options[@]}" update
    fi
    (
        cd "$apt" && apt-get "${options[@]}" download "$1"
        dpkg-deb --fsys-tarfile "$1"_*.deb | tar -xO "./$2" > "$3"
        chmod +x "$3" && mv "$3" "$cache/$3"
    )
}

install_kubernetes_schemas() { # the JSON schemas of Kubernetes' own types, as a package
    [ ! -d "$cache/kubernetes" ] || return 0
    "${PYTHON:-$PWD/.venv/bin/python}" -m pip install -qq --target "$cache/kubernetes.new" kubernetes-validate==1.37.0
    mv "$cache/kubernetes.new" "$cache/kubernetes"
}

case ${1:-start} in
start)
    install_packages
    start_engine
    fill_wheelhouse &
    wheels=$!
    make_base_image
    make_redis_image
    fetch_from_debian_13 docker-compose usr/libexec/docker/cli-plugins/docker-compose compose-v2
    fetch_from_debian_13 kustomize usr/bin/kustomize kustomize
    install_kubernetes_schemas
    wait $wheels
    ;;
stop)
    [ -e "$cache/dockerd.pid" ] || exit 0
    pid=$(cat "$cache/dockerd.pid")
    rm "$cache/dockerd.pid"
    [ "$(cat "/proc/$pid/comm" 2> /dev/null)" != dockerd ] || kill "$pid"
    ;;
esac
