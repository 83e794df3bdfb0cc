"""The listener: against PyTorch's own packed BiLSTM, and blind to padding."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from asr.config import PyramidConfig
from asr.model.lstm import BiLSTM
from asr.model.pyramid import PyramidListener


def test_bilstm_equals_packed_sequences() -> None:
    torch.manual_seed(0)
    ours, theirs = BiLSTM(5, 7), nn.LSTM(5, 7, batch_first=True, bidirectional=True)
    for name, weight in ours.ahead.named_parameters():
        getattr(theirs, name).data.copy_(weight)
        getattr(theirs, f"{name}_reverse").data.copy_(getattr(ours.back, name))
    lengths = torch.tensor([9, 4, 1])
    x = torch.randn(3, 9, 5)
    expected, _ = pad_packed_sequence(theirs(pack_padded_sequence(x, lengths, batch_first=True))[0], batch_first=True)
    found = ours(x, lengths)
    for i, n in enumerate(lengths):
        torch.testing.assert_close(found[i, :n], expected[i, :n])


@pytest.mark.parametrize(("channels", "strides", "pyramid"), [((), (), (2, 2)), ((4,), (2,), (2, 1)), ((4, 4), (2, 1), (1, 3))])
def test_padding_changes_nothing(channels: tuple[int, ...], strides: tuple[int, ...], pyramid: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    config = PyramidConfig(stem_channels=channels, stem_strides=strides, hidden=8, pyramid=pyramid)
    listener = PyramidListener(20, config).eval()
    for frames in (1, 2, 3, 17, 31, 32):
        x = torch.randn(1, frames, 20)
        alone, length = listener(x, torch.tensor([frames]))
        padded = torch.zeros(2, 50, 20)
        padded[0, :frames] = x[0]
        both, lengths = listener(padded, torch.tensor([frames, 50]))
        assert lengths[0] == length[0] == listener.state_lengths(torch.tensor(frames)) == alone.shape[1]
        torch.testing.assert_close(both[0, : int(length)], alone[0])
        assert (both[0, int(length) :] == 0).all()


def test_dropout_falls_after_every_layer_in_training_alone() -> None:
    torch.manual_seed(0)
    listener = PyramidListener(20, PyramidConfig(stem_channels=(4,), stem_strides=(2,), hidden=32, pyramid=(2, 1), dropout=0.5))
    after: list[torch.Tensor] = []
    for layer in listener.layers:
        layer.register_forward_hook(lambda _, __, found: after.append(found[0]))
    for training in (True, False):
        after.clear()
        listener.train(training)(torch.randn(2, 80, 20), torch.tensor([80, 80]))
        dropped = [(states == 0).float().mean().item() for states in after]
        assert dropped == pytest.approx([0.5 if training else 0.0] * 2, abs=0.1 if training else 0.0)


def test_the_rate_falls_by_the_reduction() -> None:
    config = PyramidConfig(hidden=8, stem_channels=(4, 4), stem_strides=(2, 1), pyramid=(2, 2))
    states, lengths = PyramidListener(80, config)(torch.randn(1, 160, 80), torch.tensor([160]))
    assert config.reduction == 8
    assert states.shape == (1, 20, 16)
    assert lengths.tolist() == [20]
