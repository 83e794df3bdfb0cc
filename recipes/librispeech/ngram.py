"""Train an n-gram model over words for the search of a recogniser, and report its perplexity alone and interpolated with an LSTM.

    python recipes/librispeech/ngram.py data/text/lm_books.txt --dev data/mini/dev-clean.json --output runs/words.safetensors

The smoothing is modified Kneser-Ney. N-grams that contribute little to the entropy are pruned: `--threshold` sets the size of the model.
Perplexities are per word, with the end of each sentence counted as a word, as `asr train` reports them for an LSTM. The interpolation is
linear per word. Its weight is chosen on every second sentence of the dev text, and its perplexity is that of the others.

The search of a recogniser uses the file in its folder:

    cp runs/words.safetensors MODEL/
    asr transcribe --model MODEL --set decode.words_weight=0.2 --set decode.length_bonus=1.2 talk.mp3
"""

from __future__ import annotations

import argparse
import math
import time
from collections import Counter
from collections.abc import Sequence
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from asr.config import EMBEDDED
from asr.console import one_line_errors
from asr.model.checkpoint import TrainedLM, load_lm, save_words
from asr.model.ngram import NGram
from asr.model.words import FIRST_WORD, SPELLING, WordNGram
from asr.text.tokenizer import EOS, UNKNOWN
from asr.train.lm_trainer import perplexity
from asr.train.ngram import train_ngram
from asr.train.sentences import Sentences, read_sentences

BATCH = 64  # sentences that are scored together
VOCABULARY = 2**16 - FIRST_WORD  # 16 bits a word


@one_line_errors
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("text", type=Path, nargs="+", help="text files (one sentence a line) or manifests")
    parser.add_argument("--dev", type=Path, nargs="+", required=True, help="text for the perplexity; the same formats")
    parser.add_argument("--language-model", type=Path, default=EMBEDDED / "lm", help="LSTM to interpolate with (default: the bundled one)")
    parser.add_argument("--order", type=int, default=3, help="words of the longest n-gram (default: 3)")
    parser.add_argument("--cutoff", type=int, default=2, help="least occurrences of n-grams of order 3 and above (default: 2)")
    parser.add_argument(
        "--threshold", type=float, default=3e-7, help="least relative rise of the perplexity that keeps an n-gram (default: 3e-7)"
    )
    parser.add_argument("--vocabulary", type=int, default=VOCABULARY, help=f"most frequent words that are kept (default: {VOCABULARY})")
    parser.add_argument("--output", type=Path, required=True, help="the model, a safetensors file")
    arguments = parser.parse_args()
    began = time.perf_counter()
    lstm = load_lm(arguments.language_model)
    dev = [text for text in read_sentences(arguments.dev, "--dev") if UNKNOWN not in lstm.tokenizer.encode(text)]
    texts = read_sentences(arguments.text, "text")
    frequency = Counter(chain.from_iterable(text.split() for text in texts))
    vocabulary = [word for word, _ in frequency.most_common(arguments.vocabulary)]
    tokens = word_ids(texts, vocabulary)
    model = train_ngram(tokens, FIRST_WORD + len(vocabulary), arguments.order, arguments.cutoff, arguments.threshold)
    save_words(arguments.output, WordNGram(model, vocabulary, lstm.tokenizer))
    size, seconds = arguments.output.stat().st_size / 1e6, time.perf_counter() - began
    print(f"{arguments.output.name}: {len(model.tokens)} n-grams of {frequency.total()} words, {size:.2f} MB, {seconds:.0f} s")
    first, second = lstm_log_probs(lstm, dev), ngram_log_probs(model, dev, vocabulary)
    tuning = torch.tensor([i % 2 == 1 for i, text in enumerate(dev) for _ in range(len(text.split()) + 1)])
    mixed = {w / 10: torch.logaddexp(first + math.log(w / 10), second + math.log1p(-w / 10)) for w in range(1, 10)}
    weight = max(mixed, key=lambda w: float(mixed[w][tuning].sum()))
    for name, found in (("LSTM", first), ("n-grams", second), (f"{weight:g} LSTM + {1 - weight:g} n-grams", mixed[weight])):
        every, held_out = (perplexity(-float(found[part].sum()), int(part.sum())) for part in (tuning | ~tuning, ~tuning))
        print(f"dev perplexity {every:6.1f} a word, {held_out:6.1f} without the sentences of the weight: {name}")


def word_ids(texts: Sequence[str], vocabulary: Sequence[str]) -> NDArray[np.int32]:
    """Return the ids of all words, with EOS after each text."""
    ids = {word: i for i, word in enumerate(vocabulary, FIRST_WORD)}
    numbers = (number for text in texts for number in (*(ids.get(word, UNKNOWN) for word in text.split()), EOS))
    return np.fromiter(numbers, np.int32)


def ngram_log_probs(model: NGram, texts: Sequence[str], vocabulary: Sequence[str]) -> Tensor:
    """Return log p of every word and end of the texts, in order."""
    lengths = torch.tensor([len(text.split()) + 1 for text in texts])
    targets = pad_sequence(torch.from_numpy(word_ids(texts, vocabulary)).long().split(lengths.tolist()), batch_first=True)
    states = model.next(torch.full_like(lengths, EOS), torch.zeros_like(lengths))
    steps = []
    for words in targets.T:
        steps.append(model.log_prob(words, states) + SPELLING * (words == UNKNOWN))
        states = model.next(words, states)
    return torch.stack(steps, 1)[torch.arange(targets.shape[1]) < lengths[:, None]].double()


@torch.inference_mode()
def lstm_log_probs(lm: TrainedLM, texts: Sequence[str]) -> Tensor:
    """Return log p of every word and end of the texts, in order: the sum over the word's pieces."""
    sentences = Sentences(texts, lm.tokenizer, max_tokens=1_000_000)
    begins = torch.tensor([token == EOS or lm.tokenizer.begins_word(token) for token in range(len(lm.tokenizer))])
    found: list[Tensor] = [torch.empty(0)] * len(texts)
    order = sorted(range(len(texts)), key=lambda i: int(sentences.lengths[i]))
    for start in range(0, len(texts), BATCH):
        rows = order[start : start + BATCH]
        targets, lengths = sentences.batch(rows)
        state, steps = lm.network.start(len(targets)), []
        for fed, expected in zip(torch.nn.functional.pad(targets, (1, -1), value=EOS).T, targets.T, strict=True):
            log_probs, state = lm.network.step(fed[:, None], state)
            steps.append(log_probs[:, 0].gather(1, expected[:, None])[:, 0].double())
        for i, values, tokens, length in zip(rows, torch.stack(steps, 1), targets, lengths.tolist(), strict=True):
            word = begins[tokens[:length]].cumsum(0) - 1
            found[i] = values.new_zeros(int(word[-1]) + 1).index_add(0, word, values[:length])
    return torch.cat(found)


if __name__ == "__main__":
    main()
