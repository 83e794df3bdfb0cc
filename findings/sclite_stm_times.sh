#!/bin/sh
# sclite reads the times of an STM in single precision, but those of a CTM in double.
#
# A CTM word belongs to the first STM segment that ends behind the word's middle. The end is the nearest
# 32-bit float to what the STM says, so it may lie before or behind it. Two things follow:
#   - a word with its middle right on a boundary goes to the segment before or behind it, as the float falls;
#   - after some hours of a recording floats are about 2 ms apart, and a word that starts on the boundary
#     and ends 1 ms later is counted in the segment that ended before the word began.
# Neither double nor single precision throughout gives what sclite gives.
#
# Seen on 2026-11-30 with the Debian 12 package sctk 2.4.10-20151007-1312Z+dfsg2-3.1 (amd64).
# Needs apt-get and dpkg of Debian 12, not root; nothing is installed. Output seen (1: first segment, 2: second):
#
#   boundary   word                 sclite  double  single
#   0.50       0.40 + 0.20               2       2       2
#   1.10       1.00 + 0.20               1       2       2
#   0.70       0.60 + 0.20               2       2       2
#   0.60       0.50 + 0.20               1       2       2
#   20000.003  20000.003 + 0.001         1       2       2
#   20000.002  20000.001 + 0.002         2       2       2
set -eu
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
chmod 755 "$tmp"

(cd "$tmp" && apt-get -qq -o APT::Sandbox::User="$(id -un)" download sctk=2.4.10-20151007-1312Z+dfsg2-3.1)
dpkg -x "$tmp"/sctk_*.deb "$tmp/sctk"

cat > "$tmp/assign.py" <<'PY'
import re
import struct
import subprocess
import sys
from pathlib import Path

folder, sclite = Path(sys.argv[1]), sys.argv[2]


def single(value):
    return struct.unpack("f", struct.pack("f", value))[0]


print("boundary   word                 sclite  double  single")
for boundary, start, length in (
    ("0.50", "0.40", "0.20"),
    ("1.10", "1.00", "0.20"),
    ("0.70", "0.60", "0.20"),
    ("0.60", "0.50", "0.20"),
    ("20000.003", "20000.003", "0.001"),
    ("20000.002", "20000.001", "0.002"),
):
    end = float(boundary) + 5
    (folder / "ref.stm").write_text(f"talk A spk 0.00 {boundary} one\ntalk A spk {boundary} {end:.3f} two\n")
    (folder / "hyp.ctm").write_text(f"talk A {start} {length} word\n")
    command = [sclite, "-r", "ref.stm", "stm", "-h", "hyp.ctm", "ctm", "-o", "pra", "stdout"]
    told = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout
    heard = re.findall(r"^HYP: +(\S+)", told, re.MULTILINE)
    assert sorted(heard) == ["***", "WORD"], told
    at, long, cut = float(start), float(length), float(boundary)
    double = 1 if at + long / 2 < cut else 2
    both_single = 1 if single(single(at) + single(single(long) / 2)) < single(cut) else 2
    print(f"{boundary:<10} {start + ' + ' + length:<20} {heard.index('WORD') + 1:>6} {double:>7} {both_single:>7}")
PY

cat > "$tmp/seen" <<'SEEN'
boundary   word                 sclite  double  single
0.50       0.40 + 0.20               2       2       2
1.10       1.00 + 0.20               1       2       2
0.70       0.60 + 0.20               2       2       2
0.60       0.50 + 0.20               1       2       2
20000.003  20000.003 + 0.001         1       2       2
20000.002  20000.001 + 0.002         2       2       2
SEEN

python3 "$tmp/assign.py" "$tmp" "$tmp/sctk/usr/lib/sctk/bin/sclite" > "$tmp/got"

if ! diff "$tmp/seen" "$tmp/got"; then
    echo "sclite_stm_times: changed (< seen on 2026-11-30, > now)" >&2
    exit 1
fi
cat "$tmp/got"
