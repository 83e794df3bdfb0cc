"""Pictures by hand."""

from __future__ import annotations

import base64

import torch

from asr.decode.attention import WordAttention
from asr.serve.attention_picture import picture


def values(text: str) -> list[int]:
    return list(base64.b64decode(text))


def test_the_quietest_is_0_the_loudest_255_and_each_word_has_its_peak() -> None:
    ramp = torch.arange(400.0)[:, None].expand(400, 2)  # 400 frames of 2 bands: pairs of frames make 200 columns
    made = picture(WordAttention(ramp, ("A", "B"), torch.tensor([[0.5, 0.25, 0.25], [0.0, 0.1, 0.9]]), 0.08), 4.0)
    assert (made["columns"], made["bands"], made["states"], made["seconds"]) == (200, 2, 3, 4.0)
    mel = values(made["mel"])
    assert len(mel) == 400
    assert (mel[0], mel[-1]) == (0, 255)
    assert mel[::2] == mel[1::2] == sorted(mel[::2])
    assert 117 <= mel[200] <= 126  # half way up, between the quantiles 0.05 and 0.995: (0.5 - 0.05) / 0.945 of 255 is 121
    assert values(made["weights"]) == [255, 128, 128, 0, 28, 255]


def test_a_sound_of_one_frame_and_no_words() -> None:
    made = picture(WordAttention(torch.zeros(1, 2), (), torch.zeros(0, 1), 0.08), 0.01)
    assert (made["columns"], values(made["mel"]), values(made["weights"])) == (1, [0, 0], [])
