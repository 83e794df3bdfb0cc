#!/bin/sh
# libsndfile recognises Ogg FLAC, but cannot open it: "unknown error in flac decoder".
#
# Ogg FLAC is what `flac --ogg` and FFmpeg (`-c:a flac file.oga`) write. The same samples as plain FLAC are read.
# The message names neither Ogg nor a missing feature, so the file looks damaged. FFmpeg's libraries read it whole.
#
# Seen on 2026-11-30 with soundfile 0.14.0 (libsndfile 1.2.2) and PyAV 18.1.0 (Python 3.11), on 1 s of a tone,
# encoded by PyAV. Files of flac 1.4.2 and of FFmpeg 5.1.9 gave the same, and so did Debian's libsndfile 1.2.0. Output seen:
#
#   a.flac: libsndfile reads 16000 samples, FFmpeg 16000
#   a.oga: libsndfile: unknown error in flac decoder; FFmpeg 16000
set -eu
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -q --no-cache-dir soundfile==0.14.0 av==18.1.0 numpy==2.3.5

cat > "$tmp/oggflac.py" <<'PY'
import os
import sys

import av
import numpy as np
import soundfile

RATE = 16000
os.chdir(sys.argv[1])
tone = (8000 * np.sin(np.arange(RATE) * 0.1)).astype(np.int16)

for name, form in (("a.flac", "flac"), ("a.oga", "ogg")):
    with av.open(name, "w", format=form) as container:
        stream = container.add_stream("flac", rate=RATE, layout="mono")
        for begin in range(0, RATE, 1600):
            frame = av.AudioFrame.from_ndarray(tone[None, begin : begin + 1600], format="s16", layout="mono")
            frame.sample_rate, frame.pts = RATE, begin
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with av.open(name) as container:
        decoded = sum(frame.samples for frame in container.decode(audio=0))
    try:
        print(f"{name}: libsndfile reads {len(soundfile.read(name)[0])} samples, FFmpeg {decoded}")
    except soundfile.LibsndfileError as e:
        print(f"{name}: libsndfile: {str(e).rpartition('Error : ')[2].rstrip('.')}; FFmpeg {decoded}")
PY

cat > "$tmp/seen" <<'SEEN'
a.flac: libsndfile reads 16000 samples, FFmpeg 16000
a.oga: libsndfile: unknown error in flac decoder; FFmpeg 16000
SEEN

"$tmp/venv/bin/python" "$tmp/oggflac.py" "$tmp" > "$tmp/got"

if ! diff "$tmp/seen" "$tmp/got"; then
    echo "libsndfile_ogg_flac: changed (< seen on 2026-11-30, > now)" >&2
    exit 1
fi
cat "$tmp/got"
