#!/bin/sh
# PyAV: `stream.disposition.default` is true for every stream, flagged as default or not.
#
# A disposition is a Python Flag, and `default` read from a member is the member of that name of the class,
# not a test of the value. The same holds for `.forced`, `.comment` and all others. No error, no warning:
# a program that picks the default track so picks the first. `stream.disposition & Disposition.default` tells.
#
# Seen on 2026-11-30 with PyAV 18.1.0 (Python 3.11), on a Matroska file of two FLAC tracks, of which
# the second alone is flagged as default. Output seen:
#
#   track 0: .default True, .forced True, & default False, & forced False
#   track 1: .default True, .forced True, & default True, & forced False
set -eu
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -q --no-cache-dir av==18.1.0

cat > "$tmp/tracks.py" <<'PY'
import sys

import av
from av.stream import Disposition

with av.open(sys.argv[1], "w") as container:
    streams = [container.add_stream("flac", rate=16000, layout="mono") for _ in range(2)]
    streams[0].disposition = Disposition(0)
    streams[1].disposition = Disposition.default
    for stream in streams:
        frame = av.AudioFrame(format="s16", layout="mono", samples=1600)
        frame.planes[0].update(bytes(frame.planes[0].buffer_size))
        frame.sample_rate, frame.pts = 16000, 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))

with av.open(sys.argv[1]) as container:
    for stream in container.streams:
        found = stream.disposition
        print(
            f"track {stream.index}: .default {bool(found.default)}, .forced {bool(found.forced)},",
            f"& default {bool(found & Disposition.default)}, & forced {bool(found & Disposition.forced)}",
        )
PY

cat > "$tmp/seen" <<'SEEN'
track 0: .default True, .forced True, & default False, & forced False
track 1: .default True, .forced True, & default True, & forced False
SEEN

"$tmp/venv/bin/python" "$tmp/tracks.py" "$tmp/two.mka" > "$tmp/got"

if ! diff "$tmp/seen" "$tmp/got"; then
    echo "pyav_disposition: changed (< seen on 2026-11-30, > now)" >&2
    exit 1
fi
cat "$tmp/got"
