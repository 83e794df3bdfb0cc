"""The network of the text restorer: a bidirectional LSTM that labels each word with its case and the mark behind it.

Shapes: B windows, W words, P pieces of a word, H units per direction.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from asr.config import RestorerConfig
from asr.model.lstm import BiLSTM
from asr.text.labels import Case, Mark
from asr.text.tokenizer import BLANK

LONGEST_PAUSE = 3.0  # seconds; longer pauses count as this


class RestorerNetwork(nn.Module):
    """p(case) and p(mark) of every word of a window.

    A word is the sum of the embeddings of its pieces. SentencePiece writes the first piece of a word differently from the others, so the sum keeps
    most of their order.
    """

    def __init__(self, vocabulary: int, config: RestorerConfig):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, config.embedding, padding_idx=BLANK)
        self.pause = nn.Linear(2, config.embedding)
        sizes = [config.embedding, *[2 * config.hidden] * (config.layers - 1)]
        self.layers = nn.ModuleList(BiLSTM(size, config.hidden) for size in sizes)
        self.case = nn.Linear(2 * config.hidden, len(Case))
        self.mark = nn.Linear(2 * config.hidden, len(Mark))
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, pieces: Tensor, pauses: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Compute the logits of both labels.

        Args:
            pieces: (B, W, P) pieces of each word, padded with BLANK.
            pauses: (B, W) pause between a word and the next (s). NaN: unknown.
            lengths: (B,) words of each window.

        Returns:
            (B, W, cases) and (B, W, marks) logits, float32.
        """
        known = ~pauses.isnan()
        seconds = pauses.nan_to_num(0.0).clamp(0.0, LONGEST_PAUSE)
        x = self.embedding(pieces).sum(2) + self.pause(torch.stack([known.to(seconds), seconds.sqrt()], 2))
        x = self.dropout(x)
        for layer in self.layers:
            x = self.dropout(layer(x, lengths))
        return self.case(x).float(), self.mark(x).float()
