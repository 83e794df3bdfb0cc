"""Which sentences are given to a voice: those of which one hears what is written."""

from __future__ import annotations

import pytest
from tests_support import recipe_script


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("“She walked down to the river,” he said.", True),
        ("It was Mister Drew’s doctor.", True),
        ("Mr. Drew walked down to the river.", False),
        ("Mr Drew walked down to the river.", False),
        ("Then Mrs Drew walked down.", False),
        ("He met Dr Drew there.", False),
        ("He came at 5 in the morning.", False),
        ("It is written in chapter XIV of the book.", False),
        ("He said ‘now’ and went home.", False),
        ("Go home.", False),  # too few words
    ],
)
def test_only_what_is_spoken_as_written_is_said(sentence: str, expected: bool) -> None:
    assert recipe_script("librispeech/synthesize.py").is_speakable(sentence) is expected
