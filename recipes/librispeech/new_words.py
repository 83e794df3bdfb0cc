"""Sentences with words that the training speech has never heard, for a synthetic voice to say.

    python recipes/librispeech/new_words.py data/text/prose_cased.txt --heard data/mini/real.json data/mini/pseudo.json \\
        --text data/mini/lm.txt --output data/text/new_words.txt
    python recipes/librispeech/synthesize.py hibari --text data/text/new_words.txt --output data/synthetic-new-words --hours 10

The spelling of a word cannot be inferred from its sound alone, and a recogniser of few hours has heard few words. Random sentences say
mostly common ones again. Here a sentence is taken if many of its words are new: heard less than `--times` in the manifests, in `--text`
at least twice (so no misprint), and in no sentence that was taken before it.
"""

from __future__ import annotations

import argparse
import random
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from asr.console import one_line_errors
from asr.files import write_atomically
from asr.text.normalize import normalize_librispeech
from asr.train.sentences import read_sentences

WORDS = range(4, 31)  # of a sentence
LEAST_IN_TEXT = 2


@one_line_errors
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sentences", type=Path, help="cased sentences, one a line")
    parser.add_argument("--heard", type=Path, nargs="+", required=True, help="manifests of the training speech")
    parser.add_argument("--text", type=Path, required=True, help="normalised text that tells which words there are")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--times", type=int, default=2, help="a word heard as often is known (2)")
    parser.add_argument("--share", type=float, default=0.1, help="of a sentence's words that are to be new (0.1)")
    parser.add_argument("--seed", type=int, default=5, help="in which order sentences are looked at")
    arguments = parser.parse_args()
    heard = Counter(word for text in read_sentences(arguments.heard, "--heard") for word in text.split())
    there = Counter(word for text in read_sentences([arguments.text], "--text") for word in text.split())
    known = {word for word, times in heard.items() if times >= arguments.times}
    new = {word for word, times in there.items() if times >= LEAST_IN_TEXT and word not in known}
    sentences = read_sentences([arguments.sentences], "sentences")
    random.Random(arguments.seed).shuffle(sentences)
    chosen, said = choose(sentences, new, arguments.share)
    write_atomically(arguments.output, "".join(f"{sentence}\n" for sentence in chosen))
    print(f"{arguments.output.name}: {len(chosen)} of {len(sentences)} sentences, which say {len(said)} of {len(new)} new words")


def choose(sentences: Iterable[str], new: set[str], share: float) -> tuple[list[str], set[str]]:
    """The sentences of which such a share is new words that none before has said, and these words."""
    chosen, said = [], set[str]()
    for sentence in sentences:
        words = normalize_librispeech(sentence).split()
        fresh = [word for word in words if word in new and word not in said]
        if len(words) in WORDS and len(fresh) >= share * len(words) and fresh:
            chosen.append(sentence)
            said.update(fresh)
    return chosen, said


if __name__ == "__main__":
    main()
