#!/bin/bash
# An emulated Raspberry Pi in one folder: qemu, a Python for aarch64, and the
# wheels of ai-edge-litert and NumPy for it. Nothing is installed outside it.
#
#     bash export/pi/setup.sh FOLDER [PYTHON]
#
# Needs Debian's apt and keys (not root), network, and 200 MB. The wheels are
# of the versions that PYTHON has, so that the two machines are comparable.
set -euo pipefail
python=$(command -v "${2:-python3}")
python=$(cd "$(dirname "$python")" && pwd)/$(basename "$python")
mkdir -p "$1"
cd "$1"
here=$PWD
keys=/usr/share/keyrings/debian-archive-keyring.gpg
mirror=${DEBIAN_MIRROR:-http://deb.debian.org/debian}
[ -r $keys ] || { echo "needs the package debian-archive-keyring" >&2; exit 2; }

# fetch FOLDER SUITE ARCHITECTURE PACKAGE...: with an apt of its own, which
# checks Debian's signature.
fetch() {
    local to=$here/$1 suite=$2 arch=$3
    shift 3
    mkdir -p "$to"/{lists/partial,cache/archives/partial}
    touch "$to/status"
    echo "deb [signed-by=$keys arch=$arch] $mirror $suite main" > "$to/list"
    local apt=(apt-get -qq
        -o Dir::Etc::SourceList="$to/list" -o Dir::Etc::SourceParts=/dev/null
        -o Dir::State="$to" -o Dir::State::Lists="$to/lists"
        -o Dir::State::status="$to/status" -o Dir::Cache="$to/cache"
        -o APT::Architecture="$arch" -o APT::Architectures="$arch")
    # A root apt changes to a user that cannot write here.
    [ "$(id -u)" != 0 ] || apt+=(-o APT::Sandbox::User=root)
    "${apt[@]}" update
    (cd "$to" && "${apt[@]}" download "$@")
}

# Before version 8 qemu crashes in the interpreter of ai-edge-litert >= 2.2.
fetch qemu bookworm-backports "$(dpkg --print-architecture)" qemu-user
dpkg --fsys-tarfile qemu/*.deb | tar -xO ./usr/bin/qemu-aarch64 > qemu-aarch64
chmod +x qemu-aarch64

fetch debian bookworm arm64 libc6 libgcc-s1 libstdc++6 zlib1g libexpat1 \
    libffi8 libssl3 libbz2-1.0 liblzma5 libuuid1 libcrypt1 python3.11-minimal \
    libpython3.11-minimal libpython3.11-stdlib
for deb in debian/*.deb; do dpkg -x "$deb" root; done

wheels=$("$python" - <<'END'
from importlib.metadata import version
print(*(f"{name}=={version(name)}" for name in ("ai-edge-litert", "numpy")))
END
)
# shellcheck disable=SC2086  # two words
"$python" -m pip install --quiet --disable-pip-version-check --no-deps \
    --upgrade --target site --only-binary=:all: --python-version 3.11 \
    --platform manylinux_2_27_aarch64 --platform manylinux_2_28_aarch64 \
    --platform manylinux2014_aarch64 \
    $wheels flatbuffers backports.strenum typing-extensions

cat > python << 'END'
#!/bin/sh
# The emulated Python: a Cortex-A72 is what a Raspberry Pi 4 has.
here=$(dirname "$(readlink -f "$0")")
PYTHONPATH=$here/site exec "$here/qemu-aarch64" -cpu "${PI_CPU:-cortex-a72}" \
    -L "$here/root" "$here/root/usr/bin/python3.11" "$@"
END
chmod +x python
rm -r qemu debian
./python -c 'import ai_edge_litert.interpreter, platform
print("an emulated", platform.machine(), "is ready")'
touch installed
