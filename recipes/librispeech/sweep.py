"""The weights of the search, tried on development speech: every combination, best first.

    python recipes/librispeech/sweep.py --model runs/mini/model --language-model runs/lm/model --manifest data/mini/dev-clean.json \\
        --ctc 0.2 0.4 --lm 0 0.4 0.8 --internal 0 0.5 --bonus 0 0.5 --every 8

Weights chosen here are tuned on that speech: report its error rates as development figures.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch

from asr.console import one_line_errors
from asr.decode.recognize import best_texts, recognize
from asr.errors import AudioError, UsageError
from asr.model.checkpoint import load_model
from asr.score.wer import word_errors
from asr.speech.audio import load_audio
from asr.speech.batches import by_length
from asr.speech.manifest import Utterance, read_manifest
from asr.speech.reader import Samples


def readable(utterances: Sequence[Utterance], rate: int) -> Iterator[tuple[Utterance, Samples]]:
    """The utterances whose recordings can be read, with them; the others are reported."""
    for u in utterances:
        try:
            yield u, load_audio(u.audio_filepath, rate, u.offset, u.duration, track=u.track)
        except AudioError as e:
            print(f"left out: {e}", file=sys.stderr)


@one_line_errors
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--language-model", type=Path)
    parser.add_argument("--manifest", type=Path, required=True)
    parser.add_argument("--every", type=int, default=1, help="take every n-th utterance")
    parser.add_argument("--beam", type=int, default=8)
    parser.add_argument("--ctc", type=float, nargs="+", default=[0.2, 0.4])
    parser.add_argument("--lm", type=float, nargs="+", default=[0.0, 0.3])
    parser.add_argument("--internal", type=float, nargs="+", default=[0.5])
    parser.add_argument("--bonus", type=float, nargs="+", default=[0.0])
    arguments = parser.parse_args()
    if arguments.every < 1 or arguments.beam < 1:
        parser.error("--every and --beam must be 1 or more")

    model = load_model(arguments.model)
    if arguments.language_model:
        model = model.with_lm(arguments.language_model)
    rate = model.config.model.frontend.sample_rate
    heard = list(readable(read_manifest(arguments.manifest, need_text=True)[:: arguments.every], rate))
    if not heard:
        raise UsageError(f"{arguments.manifest}: no recording of it can be read")
    utterances, waveforms = [u for u, _ in heard], [torch.from_numpy(samples) for _, samples in heard]
    batches = by_length([len(w) / rate for w in waveforms], 120.0)
    rows = []
    for ctc, lm, internal, bonus in itertools.product(arguments.ctc, arguments.lm, arguments.internal, arguments.bonus):
        search = {"beam": arguments.beam, "ctc_weight": ctc, "lm_weight": lm, "internal_lm": internal, "length_bonus": bonus}
        config = model.config.decode.model_copy(update=search)
        began = time.perf_counter()
        texts = dict(
            pair
            for batch in batches
            for pair in zip(batch, best_texts(recognize(model, [waveforms[i] for i in batch], config)), strict=True)
        )
        took = time.perf_counter() - began
        counts = word_errors([u.text or "" for u in utterances], [texts[i] for i in range(len(utterances))])
        rows.append(
            (
                counts.rate,
                f"{ctc:5g} {lm:5g} {internal:9g} {bonus:6g} {100 * counts.rate:8.2f} %  {counts.deletions:5} {counts.insertions:5}  {took:5.0f} s",
            )
        )
        print(rows[-1][1], flush=True)
    print("\n  ctc    lm  internal  bonus        WER    del   ins")
    print("\n".join(line for _, line in sorted(rows)))


if __name__ == "__main__":
    main()
