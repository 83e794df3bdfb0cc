"""What comes out: the text of a recording, and how sure the model is of it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Reading:
    """One way to read a recording."""

    text: str
    score: float
    """what the search ranks by (nats): attention, CTC, language model and length together"""
    attention_score: float
    """log-probability of the tokens and of the end by the speller (nats)"""
    ctc_score: float | None
    """log-probability of the tokens by the CTC head (nats); None where it was not asked"""
    lm_score: float | None = None
    """log-probability of the tokens and of the end by the language model (nats); None where it was not asked"""


@dataclass(frozen=True)
class Transcript:
    """A recording's text."""

    audio_filepath: str
    duration: float
    """seconds"""
    readings: tuple[Reading, ...]
    """best first, never empty"""

    @property
    def text(self) -> str:
        return self.readings[0].text

    def to_json(self, nbest: int = 1) -> str:
        """One line of JSON with `audio_filepath`, `duration`, `pred_text`, `score`, and `nbest` where more than one is asked for."""
        record: dict[str, object] = {
            "audio_filepath": self.audio_filepath,
            "duration": round(self.duration, 3),
            "pred_text": self.text,
            "score": round(self.readings[0].score, 4),
        }
        if nbest > 1:
            record["nbest"] = [asdict(r) for r in self.readings[:nbest]]
        return json.dumps(record, ensure_ascii=False)
