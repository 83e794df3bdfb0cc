"""Normalisers: what is done to references and hypotheses alike before they are compared, by name or from a YAML file.

    none         nothing: texts are compared unchanged
    librispeech  upper-case A-Z and the apostrophe, as LibriSpeech's references are written
    whisper-en   the English normaliser that Whisper's error rates are measured with; needs `pip install 'las-asr[whisper-en]'`
    FILE.yaml    a list of steps; `asr/text/normalizer_steps.py` describes them

Two error rates can be compared only when the same was done to their texts. So a normaliser has a name, a version and a hash, which
stand in every report; the hash changes whenever the normaliser would do something else.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from asr.errors import UsageError
from asr.text.normalize import normalize_librispeech
from asr.text.normalizer_steps import read_steps
from asr.text.unicode_form import sort_marks

MOST_CHARACTERS = 1_000_000
MOST_LOOKED_AT = 1_000_000_000  # opening brackets times characters: Whisper's normaliser looks for each one's end in all that follows

BUILT_IN = ("none", "librispeech", "whisper-en")

_PROBES = (  # what these become goes into the hash: a library that changes its mind is noticed even where its version stays
    "Mr. Smith’s “well-known” café, naïve — isn't it?",
    "It cost $20 million in 1999; twenty-one people saw 3.5 % of it.",
    "[noise] Uh, the colour (grey) was... mmm, okay! I'm gonna go.",
    "STRASSE straße ÆRØ 東京 Łódź two thirds o'clock 'tis dogs'",
    "every one\talone \n ",
)

_SPACES = re.compile(r"\s+")


@dataclass(frozen=True)
class Normalizer:
    """A function from text to text that can be named in a report.

    >>> load_normalizer("librispeech")("It's five o’clock, Zoë.")
    "IT'S FIVE O'CLOCK ZOE"
    """

    name: str
    version: str
    description: str
    function: Callable[[str], str] = field(repr=False)
    definition: str = ""
    """all that decides what it does beside name and version: the steps of a file, as JSON"""

    def __call__(self, text: str) -> str:
        return self.function(text)

    @property
    def hash(self) -> str:
        """Twelve hexadecimal digits; equal where definition, version and behaviour are."""
        told = json.dumps([self.version, self.definition, [self(probe) for probe in _PROBES]])
        return hashlib.sha256(told.encode("utf-8")).hexdigest()[:12]


def load_normalizer(name: str | Path) -> Normalizer:
    """A normaliser by its name, or from a YAML file.

    Raises UsageError for a name that is none, a file that is not there, a package that is not installed, and ConfigError (which is
    one) for a file that cannot be used, with its line.
    """
    if name == "none":
        return Normalizer("none", "1", "nothing is changed but white space, any run of which is one space", str)
    if name == "librispeech":
        description = (
            "upper-case A-Z and apostrophes inside words; hyphens separate words; accents go, other Latin letters are spelled in A-Z; "
            "digits and all else are dropped"
        )
        return Normalizer("librispeech", "2", description, normalize_librispeech)
    if name == "whisper-en":
        return _whisper_english()
    path = Path(name)
    if path.suffix.lower() not in (".yaml", ".yml"):
        raise UsageError(f'normalizer "{name}": expected {", ".join(BUILT_IN)}, or a YAML file of steps')
    steps = read_steps(path)
    return Normalizer(steps.name, steps.version, steps.description, steps, steps.definition)


def _whisper_english() -> Normalizer:
    try:
        from whisper_normalizer.english import EnglishTextNormalizer
    except ImportError:
        raise UsageError("normalizer whisper-en: needs a package that is not installed: pip install 'las-asr[whisper-en]'") from None
    version = importlib.metadata.version("whisper-normalizer")
    description = (
        "Whisper's English normaliser: lower case, numbers as digits, British spelling made American, fillers and brackets dropped"
    )
    library = EnglishTextNormalizer()

    def change(text: str) -> str:
        openings = sum(map(text.count, "[<("))
        if len(text) > MOST_CHARACTERS or openings * len(text) > MOST_LOOKED_AT:
            raise UsageError(
                f"normalizer whisper-en: a text of {len(text):,} characters with {openings:,} opening brackets would take it hours: "
                "score it in parts, or with another normalizer"
            )
        try:
            return str(library(sort_marks("NFKD", _SPACES.sub(" ", text))))  # long runs take it long
        except Exception as e:  # whatever the library meets
            shown = text if len(text) <= 40 else f"{text[:39]}…"
            raise UsageError(f"normalizer whisper-en: fails on the text {shown!r} ({type(e).__name__}): use another normalizer") from None

    return Normalizer("whisper-en", version, description, change)
