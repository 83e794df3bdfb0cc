"""Reports: an evaluation rendered as JSON, Markdown, HTML and in the terminal.

Examples:
    >>> from asr.report import report
    >>> from asr.score import evaluate
    >>> report(evaluate(["GO ON", "STOP NOW"], ["GO ON", "STOP"]))["systems"][0]["words"]["rate"]
    0.25

`columns` defines every figure once. `data` builds the dictionary that report.json holds; the other modules render it.
"""

from asr.report.data import report
from asr.report.files import write_report

__all__ = ["report", "write_report"]
