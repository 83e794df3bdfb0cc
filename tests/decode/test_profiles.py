"""Profiles change the search and the precision, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from asr.config import DecodeConfig
from asr.decode.precision import Precision, computes_int8
from asr.decode.profiles import in_profile, profile_precision, profile_search
from asr.model.checkpoint import load_model

OWN = DecodeConfig(beam=4, lm_weight=0.5, ctc_weight=0.3)


def test_the_search_of_each_profile() -> None:
    assert profile_search(OWN, "balanced") == OWN
    assert profile_search(OWN, "accurate") == OWN.model_copy(update={"beam": 8})
    assert profile_search(OWN, "fast") == OWN.model_copy(update={"beam": 1, "lm_weight": 0.0})
    assert profile_search(OWN, "fast", keep_lm=True) == OWN.model_copy(update={"beam": 1})


def test_int8_is_for_cpus_that_compute_it() -> None:
    cpu = torch.device("cpu")
    assert profile_precision("fast", cpu) == ("int8" if computes_int8(cpu) else "fp32")
    assert profile_precision("fast", torch.device("cuda")) == "fp32"
    assert profile_precision("accurate", cpu) == "fp32"


@pytest.mark.parametrize("precision", [None, "fp32"])
def test_a_model_in_a_profile(tiny_folder: Path, precision: Precision | None) -> None:
    own = load_model(tiny_folder)
    fast = in_profile(load_model(tiny_folder), "fast", precision)
    assert (own.search.beam, fast.search.beam) == (2, 1)
    quantized = any("quantized" in type(module).__module__ for module in fast.network.modules())
    assert quantized == (precision is None and computes_int8(torch.device("cpu")))
