"""A picture of where the speller looks while it writes."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from asr.decode.attention import attend
from asr.model.checkpoint import TrainedModel

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DOTS = 72  # an inch, in a page
MOST_ROWS = 150  # of tokens in a page's picture; more could not be read


def attention_picture(model: TrainedModel, waveform: torch.Tensor, tokens: Sequence[int]) -> Figure:
    """The log-mel spectrogram of a waveform (N,), and below it where the speller looks while it is made to write `tokens`."""
    import librosa.display
    from matplotlib.figure import Figure

    config = model.network.config.frontend
    log_mel, weights = attend(model, waveform, tokens)
    pieces = [model.tokenizer.pieces[i] for i in tokens] + ["(end)"]
    figure = Figure(figsize=(8, 3 + 0.18 * len(pieces)), layout="tight")
    heard, attended = figure.subplots(2, 1, sharex=True, height_ratios=[2, 0.18 * len(pieces)])
    librosa.display.specshow(
        log_mel.T.numpy(),
        sr=config.sample_rate,
        hop_length=config.hop,
        fmin=config.low_hz,
        fmax=config.high_hz,
        x_axis="time",
        y_axis="mel",
        ax=heard,
    )
    heard.set_xlabel("")
    extent = (0, len(waveform) / config.sample_rate, len(pieces), 0)
    attended.imshow(weights.numpy(), aspect="auto", extent=extent)
    attended.set_yticks([i + 0.5 for i in range(len(pieces))], pieces, fontsize=7)
    attended.set_xlabel("seconds")
    return figure


def picture_in_page(model: TrainedModel, waveform: torch.Tensor, text: str) -> str | None:
    """`attention_picture` of a text as a `data:` address for an HTML page, some 30 kB; None for a text of more than 150 tokens."""
    tokens = model.tokenizer.encode(text)
    if len(tokens) > MOST_ROWS:
        return None
    content = io.BytesIO()
    attention_picture(model, waveform, tokens).savefig(content, format="webp", dpi=DOTS, pil_kwargs={"quality": 80})
    return f"data:image/webp;base64,{base64.b64encode(content.getvalue()).decode()}"
