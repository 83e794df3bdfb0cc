"""Attention weights of a given transcript, and their picture.

Shapes: N samples, T frames, F mel bands, T' listener states, L tokens, W words.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from asr.decode.align import word_places
from asr.model.checkpoint import TrainedModel

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PAGE_DPI = 72  # of a picture in an HTML page
MOST_TOKENS = 150  # of a picture in an HTML page; more rows cannot be read


@dataclass(frozen=True)
class WordAttention:
    """The log-mel spectrogram of an utterance, and the attention weights of its words."""

    log_mel: Tensor
    """(T, F) natural logarithms of mel power"""
    words: tuple[str, ...]
    weights: Tensor
    """(W, T') rows sum to 1"""
    state_seconds: float


@torch.inference_mode()
def word_attention(model: TrainedModel, waveform: Tensor, tokens: Sequence[int]) -> WordAttention:
    """Compute the attention weights of the words of a transcript, by teacher forcing.

    Args:
        model: a trained model.
        waveform: (N,) samples at the model's rate.
        tokens: the transcript. Its words are those of `asr.decode.align.words_of`; the weights of a word are the mean of its tokens'.
    """
    log_mel, weights = token_attention(model, waveform, tokens)
    words = word_places(tokens, model.tokenizer)
    rows = [weights[places.start : places.stop].mean(0) for _, places in words]
    return WordAttention(
        log_mel,
        tuple(text for text, _ in words),
        torch.stack(rows) if rows else torch.zeros(0, weights.shape[1]),
        model.config.model.state_seconds,
    )


@torch.inference_mode()
def token_attention(model: TrainedModel, waveform: Tensor, tokens: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Compute the attention weights of the tokens of a transcript, by teacher forcing.

    Args:
        model: a trained model.
        waveform: (N,) samples at the model's rate.
        tokens: L tokens.

    Returns:
        The log-mel spectrogram (T, F), and the weights (L + 1, T') of each token and of end-of-sentence.
    """
    network = model.network
    device = network.frontend.mean.device
    waveform = waveform[None].to(device)
    states, lengths = network.listen(waveform, torch.tensor([waveform.shape[1]], device=device))
    _, weights = network.speller(states, lengths, torch.tensor([list(tokens)], dtype=torch.long, device=device))
    return network.frontend.log_mel(waveform)[0].cpu(), weights[0].float().cpu()


def attention_picture(model: TrainedModel, waveform: Tensor, tokens: Sequence[int]) -> Figure:
    """Draw the log-mel spectrogram of a waveform (N,), and below it the attention weights of a transcript."""
    import librosa.display
    from matplotlib.figure import Figure

    config = model.network.config.frontend
    log_mel, weights = token_attention(model, waveform, tokens)
    pieces = [model.tokenizer.pieces[i] for i in tokens] + ["(end)"]
    figure = Figure(figsize=(8, 3 + 0.18 * len(pieces)), layout="tight")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=[2, 0.18 * len(pieces)])
    librosa.display.specshow(
        log_mel.T.numpy(),
        sr=config.sample_rate,
        hop_length=config.hop,
        fmin=config.low_hz,
        fmax=config.high_hz,
        x_axis="time",
        y_axis="mel",
        ax=above,
    )
    above.set_xlabel("")
    extent = (0, len(waveform) / config.sample_rate, len(pieces), 0)
    below.imshow(weights.numpy(), aspect="auto", extent=extent)
    below.set_yticks([i + 0.5 for i in range(len(pieces))], pieces, fontsize=7)
    below.set_xlabel("seconds")
    return figure


def attention_picture_url(model: TrainedModel, waveform: Tensor, text: str) -> str | None:
    """Draw `attention_picture` of a text as a `data:` URL for an HTML page, about 30 kB; None for more than MOST_TOKENS tokens."""
    tokens = model.tokenizer.encode(text)
    if len(tokens) > MOST_TOKENS:
        return None
    content = io.BytesIO()
    attention_picture(model, waveform, tokens).savefig(content, format="webp", dpi=PAGE_DPI, pil_kwargs={"quality": 80})
    return f"data:image/webp;base64,{base64.b64encode(content.getvalue()).decode()}"
