#!/bin/sh
# Fills the virtual environment DIRECTORY from the locks: install.sh PYTHON DIRECTORY.
# Registry, proxy and certificate settings are inherited from the environment.
set -eu
python=$1
venv=$2
here=$(cd "$(dirname "$0")" && pwd)
root=$(dirname "$here")

if [ ! -x "$venv/bin/python" ]; then
    echo "making $venv"
    "$python" -m venv "$venv" || { echo "no venv module: install it (Debian: python3-venv)" >&2; exit 1; }
fi
venv=$(cd "$venv" && pwd)

echo "installing Python packages"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r "$here/setup.txt" || true
with_uv() {
    [ -x "$venv/bin/uv" ] && "$venv/bin/uv" pip sync --compile-bytecode --python "$venv/bin/python" \
        --require-hashes "$here/setup.txt" "$here/dev.txt"
}
if ! with_uv; then
    echo "uv could not do it; taking pip, which is slower"
    "$venv/bin/python" -m pip install --disable-pip-version-check --require-hashes -r "$here/dev.txt"
fi

# The sources are used where they are: nothing to build, and an edit counts at once.
site=$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
printf '%s\n%s\n' "$root" "$root/contracts" > "$site/attune.pth"
printf '#!%s\nfrom attune.__main__ import main\n\nmain()\n' "$venv/bin/python" > "$venv/bin/attune"
chmod +x "$venv/bin/attune"
