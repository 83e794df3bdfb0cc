#!/bin/sh
# torchaudio 2.11.1 asks for torch>=2.11, but does not load beside torch 2.11.0.
#
# pip installs the pair and `pip check` is content. The import then fails: libtorchaudio.so needs functions
# that no library of torch 2.11.0 has. torchaudio 2.11.0 loads beside the same torch.
# A pin of torch alone is thus not enough: the newest torchaudio that fits by its metadata breaks the install.
#
# Seen on 2026-11-30 with torch 2.11.0, torchaudio 2.11.1 and 2.11.0, Python 3.11, Linux x86_64 without a GPU.
# Takes some minutes, about 3 GB to download and 7 GB of disk. Output seen:
#
#   torchaudio 2.11.1 requires torch>=2.11
#   No broken requirements found.
#   OSError: libtorchaudio.so: undefined symbol: torch_exception_get_what_without_backtrace
#   torchaudio 2.11.0 loads beside torch 2.11.0
set -eu
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

python3 -m venv "$tmp/venv"
bin=$tmp/venv/bin
"$bin/pip" install -q --no-cache-dir --no-compile torch==2.11.0 torchaudio==2.11.1

cat > "$tmp/load.py" <<'PY'
import re
from importlib.metadata import version

try:
    import torch
    import torchaudio
except OSError as error:
    first = error.__cause__ or error  # torch wraps the loader's message
    print("OSError:", re.sub(r"\S*/(?=\S+\.so)", "", str(first)))
else:
    print("torchaudio", version("torchaudio"), "loads beside torch", version("torch"))
PY

cat > "$tmp/seen" <<'SEEN'
torchaudio 2.11.1 requires torch>=2.11
No broken requirements found.
OSError: libtorchaudio.so: undefined symbol: torch_exception_get_what_without_backtrace
torchaudio 2.11.0 loads beside torch 2.11.0
SEEN

{
    "$bin/python" -c 'from importlib.metadata import *; print("torchaudio", version("torchaudio"), "requires", *requires("torchaudio"))'
    "$bin/pip" check
    "$bin/python" "$tmp/load.py"
    "$bin/pip" install -q --no-cache-dir --no-compile --no-deps torchaudio==2.11.0
    "$bin/python" "$tmp/load.py"
} > "$tmp/got"

if ! diff "$tmp/seen" "$tmp/got"; then
    echo "torchaudio_torch: changed (< seen on 2026-11-30, > now)" >&2
    exit 1
fi
cat "$tmp/got"
