"""Train an n-gram model over a recogniser's pieces, and report its perplexity alone and interpolated with an LSTM.

    python recipes/librispeech/ngram.py data/mini/lm.txt --dev data/mini/dev-clean.json --order 7 --threshold 3e-7 --output runs/ngram.safetensors

The smoothing is modified Kneser-Ney. N-grams that contribute little to the entropy are pruned: `--threshold` sets the size of the model.
The perplexities are per word, with the end of each sentence counted as a word, as `asr train` reports them for an LSTM. The interpolation
is linear per piece, with the best weight for the dev text. The search uses the model as one more scorer:

    scorers=[WeightedScorer(0.2, LMScorer(load_ngram(path, len(model.tokenizer)), "ngram"))]
"""

from __future__ import annotations

import argparse
import math
import time
from pathlib import Path

import torch
from torch import Tensor

from asr.config import EMBEDDED
from asr.console import one_line_errors
from asr.model.checkpoint import TOKENIZER, load_lm
from asr.model.lm import LanguageModel
from asr.model.ngram import NGram, save_ngram
from asr.text.tokenizer import EOS, Tokenizer
from asr.train.lm_trainer import perplexity
from asr.train.ngram import train_ngram
from asr.train.sentences import Sentences, read_sentences

BATCH = 64  # sentences that are scored together


@one_line_errors
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("text", type=Path, nargs="+", help="text files (one sentence a line) or manifests")
    parser.add_argument("--dev", type=Path, nargs="+", required=True, help="text for the perplexity; the same formats")
    parser.add_argument("--language-model", type=Path, default=EMBEDDED / "lm", help="LSTM with the same pieces (default: the bundled one)")
    parser.add_argument("--order", type=int, default=6, help="tokens of the longest n-gram (default: 6)")
    parser.add_argument("--cutoff", type=int, default=1, help="least occurrences of n-grams of order 3 and above (default: 1)")
    parser.add_argument(
        "--threshold", type=float, default=1e-7, help="least relative rise of the perplexity that keeps an n-gram (default: 1e-7)"
    )
    parser.add_argument("--output", type=Path, required=True, help="the model, a safetensors file")
    arguments = parser.parse_args()
    began = time.perf_counter()
    tokenizer = Tokenizer.load(arguments.language_model / TOKENIZER)
    lstm = load_lm(arguments.language_model).network
    dev = Sentences(read_sentences(arguments.dev, "--dev"), tokenizer, max_tokens=1_000_000, what="--dev")
    train = Sentences(read_sentences(arguments.text, "text"), tokenizer, max_tokens=1_000_000, what="text")
    model = train_ngram(train.tokens, len(tokenizer), arguments.order, arguments.cutoff, arguments.threshold)
    save_ngram(arguments.output, model)
    size, seconds = arguments.output.stat().st_size / 1e6, time.perf_counter() - began
    print(f"{arguments.output.name}: {len(model.tokens)} n-grams of {train.words} words, {size:.2f} MB, {seconds:.0f} s")
    count, (first, second) = dev.words + len(dev), (token_log_probs(network, dev) for network in (lstm, model))
    mixed = {w / 100: torch.logaddexp(first + math.log(w / 100), second + math.log1p(-w / 100)) for w in range(50, 100, 5)}
    weight = max(mixed, key=lambda w: float(mixed[w].sum()))
    for name, found in (("LSTM", first), ("n-grams", second), (f"{weight:g} LSTM + {1 - weight:g} n-grams", mixed[weight])):
        print(f"dev perplexity {perplexity(-float(found.sum()), count):6.1f} a word: {name}")


@torch.inference_mode()
def token_log_probs(network: LanguageModel | NGram, sentences: Sentences) -> Tensor:
    """Return log p of every token of the sentences, EOS included, in an order that depends on the sentences alone."""
    network.eval()
    order, found = sorted(range(len(sentences)), key=lambda i: int(sentences.lengths[i])), []
    for start in range(0, len(order), BATCH):
        targets, lengths = sentences.batch(order[start : start + BATCH])
        state, steps = network.start(len(targets)), []
        for fed, expected in zip(torch.nn.functional.pad(targets, (1, -1), value=EOS).T, targets.T, strict=True):
            log_probs, state = network.step(fed[:, None], state)  # type: ignore[arg-type]
            steps.append(log_probs[:, 0].gather(1, expected[:, None])[:, 0])
        found.append(torch.stack(steps, 1)[torch.arange(targets.shape[1]) < lengths[:, None]])
    return torch.cat(found).double()


if __name__ == "__main__":
    main()
