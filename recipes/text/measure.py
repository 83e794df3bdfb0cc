"""Measure a text restorer on cased text: F1 of every mark, case accuracy, and case accuracy of names.

    python recipes/text/measure.py runs/restorer/model data/text/novels.dev.txt data/text/modern.dev.txt

The words of each document are labelled as one recording. Names are words with a capital that neither start a sentence nor are `I`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from asr.console import one_line_errors
from asr.readable.restorer import load_restorer
from asr.readable.text import readable_text, readable_tokens
from asr.score.labels import LabelCounts
from asr.text.labels import Mark
from asr.train.cased_text import read_documents, simulated_pauses
from asr.transcript import Word


@one_line_errors
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="folder of the text restorer")
    parser.add_argument("texts", type=Path, nargs="+", help="cased text, one paragraph a line, an empty line between documents")
    parser.add_argument("--pauses", action="store_true", help="give the network simulated pauses, as in training")
    parser.add_argument(
        "--examples", type=int, default=0, metavar="N", help="print N passages of each text before and after, with simulated pauses"
    )
    arguments = parser.parse_args()
    restorer = load_restorer(arguments.model)
    for path in arguments.texts:
        documents = read_documents([path], str(path))
        counts = LabelCounts()
        for i, document in enumerate(documents):
            drawn = simulated_pauses(document.marks, np.random.default_rng(i)).tolist()
            counts.add(document.labelled, restorer.label(document.words, drawn if arguments.pauses else None))
        print(f"{path.name}: {len(documents)} documents, {counts.words} words")
        for mark in Mark:
            if mark is not Mark.NONE:
                print(f"  {mark.name.lower():<12} F1 {counts.f1(mark):.3f}  ({counts.marks[mark].sum()} in the reference)")
        print(f"  case {counts.case_accuracy:.2%}, names {counts.name_accuracy:.2%} of {counts.names}")
        for document in documents[: arguments.examples]:
            pauses = np.nan_to_num(simulated_pauses(document.marks[:40], np.random.default_rng(0)))
            starts = 0.4 * np.arange(len(pauses)) + np.cumsum(pauses) - pauses
            words = [Word(word.upper(), start, start + 0.4, 1.0) for word, start in zip(document.words, starts.tolist(), strict=False)]
            print(f"\n{' '.join(word.text for word in words)}\n{readable_text(readable_tokens(words, restorer))}")


if __name__ == "__main__":
    main()
