"""How good the network is while it trains: dev WER, and a picture of where it looks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from accelerate import Accelerator
from accelerate.utils import gather_object

from asr.config import DecodeConfig
from asr.decode.recognize import best_texts, recognize
from asr.errors import AudioError
from asr.model.checkpoint import TrainedModel
from asr.score.wer import Score, score
from asr.speech.batches import BatchDataset, by_length

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def evaluate(model: TrainedModel, dev: BatchDataset, config: DecodeConfig, batch_seconds: float, accelerator: Accelerator) -> Score:
    """Decode the dev utterances, shared out over the processes, and score them on each process alike."""
    batches = by_length([e.seconds for e in dev.examples], batch_seconds)
    found: list[tuple[int, str]] = []
    for batch in batches[accelerator.process_index :: accelerator.num_processes]:
        waveforms = [_read(dev, i) for i in batch]
        found += zip(batch, best_texts(recognize(model, waveforms, config)), strict=True)
    texts = dict(gather_object(found))
    references = [e.utterance.text or "" for e in dev.examples]
    return score(references, [texts[i] for i in range(len(references))])


def _read(dev: BatchDataset, i: int) -> torch.Tensor:
    """(N,) samples; none where the recording has become unreadable, so that its words count as deletions."""
    try:
        return torch.from_numpy(dev.read(i))
    except AudioError:
        return torch.zeros(0)


@torch.no_grad()
def attention_picture(model: TrainedModel, waveform: torch.Tensor, tokens: Sequence[int]) -> Figure:
    """The log-mel spectrogram of a waveform (N,), and below it where the speller looks while it is made to write `tokens`."""
    import librosa.display
    from matplotlib.figure import Figure

    network, config = model.network, model.network.config.frontend
    device = network.frontend.mean.device
    waveform = waveform[None].to(device)
    states, lengths = network.listen(waveform, torch.tensor([waveform.shape[1]], device=device))
    _, weights = network.speller(states, lengths, torch.tensor([tokens], device=device))
    pieces = [model.tokenizer.pieces[i] for i in tokens] + ["(end)"]
    figure = Figure(figsize=(8, 3 + 0.18 * len(pieces)), layout="tight")
    heard, attended = figure.subplots(2, 1, sharex=True, height_ratios=[2, 0.18 * len(pieces)])
    bands = network.frontend.log_mel(waveform)[0].T.cpu().numpy()
    librosa.display.specshow(
        bands, sr=config.sample_rate, hop_length=config.hop, fmin=config.low_hz, fmax=config.high_hz, x_axis="time", y_axis="mel", ax=heard
    )
    heard.set_xlabel("")
    extent = (0, waveform.shape[1] / config.sample_rate, len(pieces), 0)
    attended.imshow(weights[0].float().cpu().numpy(), aspect="auto", extent=extent)
    attended.set_yticks([i + 0.5 for i in range(len(pieces))], pieces, fontsize=7)
    attended.set_xlabel("seconds")
    return figure
