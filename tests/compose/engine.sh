#!/usr/bin/env bash
# Makes this machine able to test the stack, without any registry of images: a Docker engine and both generations of
# Compose from Debian's packages, a base image from debootstrap, Redis and Prometheus on top of it, and a wheelhouse.
#   tests/compose/engine.sh start     what is there already stays
#   tests/compose/engine.sh stop      ends the engine if `start` started it
set -euo pipefail
cd "$(dirname "$0")/../.."
cache=$PWD/.cache/compose
base=chartreward-test/base:bookworm
redis=chartreward-test/redis:7
prometheus=chartreward-test/prometheus:2
mirror=${DEBIAN_MIRROR:-http://deb.debian.org/debian}
mkdir -p "$cache"
export DOCKER_BUILDKIT=1
# Debian's docker builds with BuildKit by itself; a newer client on the path may need a plugin for that.
docker() { if [ -x /usr/bin/docker ]; then /usr/bin/docker "$@"; else command docker "$@"; fi; }
say() { echo "engine.sh: $*" >&2; }

retry() { # CMD...: mirrors and indexes fail now and then
    local attempt what="$*"
    for attempt in 1 2 3 4; do
        "$@" && return 0
        say "failed ($attempt of 4): ${what:0:100}"
        sleep $((attempt * 5))
    done
    return 1
}

install_packages() {
    local missing=()
    command -v dockerd > /dev/null || missing+=(docker.io)
    command -v docker-compose > /dev/null || missing+=(docker-compose)
    command -v debootstrap > /dev/null || missing+=(debootstrap)
    command -v iptables > /dev/null || missing+=(iptables)
    [ ${#missing[@]} -gt 0 ] || return 0
    say "installing ${missing[*]}"
    # One of several configured mirrors may be out of reach: what counts is whether the packages come.
    retry install_from_debian "${missing[@]}" || { tail -n 20 "$cache/apt.log" >&2 && exit 1; }
}

install_from_debian() {
    {
        apt-get -qq update || true
        DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends install "$@"
    } > "$cache/apt.log" 2>&1
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
    for _ in $(seq 240); do
        docker info > /dev/null 2>&1 && return 0
        kill -0 "$(cat "$cache/dockerd.pid")" 2> /dev/null || break
        sleep 0.5
    done
    tail -n 20 "$cache/dockerd.log" >&2
    say "dockerd does not start"
    exit 1
}

make_base_image() {
    docker image inspect "$base" > /dev/null 2>&1 && return 0
    say "making $base with debootstrap"
    retry bootstrap || { tail -n 20 "$cache/debootstrap.log" >&2 && exit 1; }
    local root=$cache/root
    rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/* "$root"/usr/share/{doc,man}
    tar -C "$root" -c . | docker import -c 'ENV PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' - "$base" > /dev/null
    rm -rf "$root"
}

bootstrap() {
    rm -rf "$cache/root"
    debootstrap --variant=minbase --include=python3,python3-venv,ca-certificates bookworm "$cache/root" "$mirror" \
        > "$cache/debootstrap.log" 2>&1
}

make_image() { # NAME, a Dockerfile on standard input
    local text
    text=$(cat)
    docker image inspect "$1" > /dev/null 2>&1 && return 0
    say "making $1"
    retry build_image "$1" "$text"
}

build_image() { docker build -q --network host -t "$1" - > /dev/null <<< "$2"; }

make_redis_image() { # laid out like the official image: user 999:1000, /data
    make_image "$redis" <<DOCKERFILE
FROM $base
RUN apt-get -qq update && apt-get -qq -y --no-install-recommends install redis-server \\
 && rm -rf /var/lib/apt/lists/* /var/cache/apt && install -d -o 999 -g 1000 /data
VOLUME /data
DOCKERFILE
}

make_prometheus_image() { # likewise: /bin/prometheus, /prometheus of nobody; without the web pages' dependencies
    make_image "$prometheus" <<DOCKERFILE
FROM $base
RUN apt-get -qq update && cd /tmp && apt-get -qq download -o APT::Sandbox::User=root prometheus \\
 && dpkg-deb --fsys-tarfile prometheus_*.deb | tar -xC / ./usr/bin/prometheus ./usr/bin/promtool \\
 && rm -rf prometheus_*.deb /var/lib/apt/lists/* /var/cache/apt && install -d -o 65534 -g 65534 /prometheus
VOLUME /prometheus
ENTRYPOINT ["/usr/bin/prometheus"]
CMD ["--config.file=/etc/prometheus/prometheus.yml", "--storage.tsdb.path=/prometheus"]
DOCKERFILE
}

fill_wheelhouse() { # anew when a pin has changed
    local sum
    sum=$(cat requirements/*.txt | sha256sum)
    [ "$(cat "$cache/wheelhouse.sum" 2> /dev/null)" != "$sum" ] || [ ! -e "$(echo wheelhouse/torch-*.whl)" ] || return 0
    say "filling wheelhouse/"
    local python=${PYTHON:-$PWD/.venv/bin/python}
    # Where pip is set up with wheels of its own, it finds the CPU torch there.
    if [ -n "${PIP_FIND_LINKS:-}" ] || "$python" -m pip config list 2> /dev/null | grep -q find-links; then
        export TORCH_INDEX=${TORCH_INDEX:-}
    fi
    # What another set of pins left would not be found by it, only make the build's context larger.
    find wheelhouse -name '*.whl' -delete
    PYTHON=$python retry docker/wheelhouse.sh >&2
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
    fi
    retry fetch_package "$1" "${options[@]}"
    dpkg-deb --fsys-tarfile "$apt/$1"_*.deb | tar -xO "./$2" > "$apt/$3"
    chmod +x "$apt/$3" && mv "$apt/$3" "$cache/$3"
}

fetch_package() { # PACKAGE, apt's options...
    local package=$1
    shift
    ls "$cache/apt/lists"/*_Packages* > /dev/null 2>&1 || apt-get "$@" update || return 1
    (cd "$cache/apt" && apt-get "$@" download "$package") || { rm -rf "$cache/apt/lists"/*_* && return 1; }
}

install_kubernetes_schemas() { # the JSON schemas of Kubernetes' own types, as a package
    [ ! -d "$cache/kubernetes" ] || return 0
    retry "${PYTHON:-$PWD/.venv/bin/python}" -m pip install -qq --upgrade --target "$cache/kubernetes.new" \
        kubernetes-validate==1.37.0
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
    make_prometheus_image
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
