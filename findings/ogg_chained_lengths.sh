#!/bin/sh
# One valid chained Ogg Opus file, three lengths: libsndfile 1 s, FFmpeg's header 2 s, FFmpeg's decoder 3 s.
#
# Ogg files may simply be joined (RFC 3533 and RFC 7845 call that chaining; recordings of web radio often are chains).
# libsndfile reads the first link, gives its length as that of the file, and ends without an error.
# FFmpeg decodes all links, but the duration it tells is about that of the last link. So a manifest made with
# the lengths of either is wrong, and with libsndfile most of the recording is silently never read.
#
# Seen on 2026-11-30 with soundfile 0.14.0 (libsndfile 1.2.2) and PyAV 18.1.0 (Python 3.11), on a link of 1 s and
# one of 2 s, both written by libsndfile, with different serial numbers. Output seen:
#
#   libsndfile: tells 1.00 s, reads 1.00 s
#   FFmpeg: tells 2.01 s, reads 3.00 s
set -eu
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -q --no-cache-dir soundfile==0.14.0 av==18.1.0 numpy==2.3.5

cat > "$tmp/lengths.py" <<'PY'
import io

import av
import numpy as np
import soundfile

RATE = 48000


def link(seconds):
    """One Ogg Opus file of a tone."""
    tone = 0.3 * np.sin(np.arange(seconds * RATE) * 0.05)
    written = io.BytesIO()
    soundfile.write(written, tone, RATE, format="OGG", subtype="OPUS")
    return written.getvalue()


first, second = link(1), link(2)
assert first[14:18] != second[14:18], "both links have the same serial number: not a valid chain"
chain = first + second

told, read = soundfile.info(io.BytesIO(chain)).frames, len(soundfile.read(io.BytesIO(chain))[0])
print(f"libsndfile: tells {told / RATE:.2f} s, reads {read / RATE:.2f} s")
with av.open(io.BytesIO(chain)) as container:
    told, read = container.duration / av.time_base, sum(frame.samples for frame in container.decode(audio=0))
print(f"FFmpeg: tells {told:.2f} s, reads {read / RATE:.2f} s")
PY

cat > "$tmp/seen" <<'SEEN'
libsndfile: tells 1.00 s, reads 1.00 s
FFmpeg: tells 2.01 s, reads 3.00 s
SEEN

"$tmp/venv/bin/python" "$tmp/lengths.py" > "$tmp/got"

if ! diff "$tmp/seen" "$tmp/got"; then
    echo "ogg_chained_lengths: changed (< seen on 2026-11-30, > now)" >&2
    exit 1
fi
cat "$tmp/got"
