"""Measures of recognition quality: error rates with confidence intervals, and comparisons of systems.

Examples:
    >>> import asr
    >>> found = asr.score.evaluate(["GO ON", "STOP NOW"], ["GO ON", "STOP"])
    >>> found.systems[0].words.rate
    0.25

`read_texts` reads references and hypotheses from files. `asr.report` renders an evaluation.
"""

from asr.score.comparison import Comparison
from asr.score.evaluation import Evaluation, SystemResult, evaluate
from asr.score.groups import Group
from asr.score.texts import Texts, read_texts
from asr.score.wer import ErrorCounts, Score, character_errors, score, word_errors

__all__ = [
    "Comparison",
    "ErrorCounts",
    "Evaluation",
    "Group",
    "Score",
    "SystemResult",
    "Texts",
    "character_errors",
    "evaluate",
    "read_texts",
    "score",
    "word_errors",
]
