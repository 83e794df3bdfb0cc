"""Normalisers for references and hypotheses, by name or from a YAML file.

    none         no change
    librispeech  upper-case A-Z and apostrophes, as in LibriSpeech's references
    whisper-en   the English normaliser of Whisper's published error rates; needs `pip install 'las-asr[whisper-en]'`
    FILE.yaml    a list of steps; see `asr/text/normalizer_steps.py`

Error rates are comparable only under the same normaliser. So every report has its name, version and hash; the hash changes whenever the
normaliser's behaviour does.
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
MOST_SCANNED = 1_000_000_000  # opening brackets times characters: Whisper's normaliser scans all following text for each one's end

BUILT_IN = ("none", "librispeech", "whisper-en")

_PROBES = (  # their normalised forms are hashed, so that a change of a library's behaviour is noticed even within a version
    "Mr. Smith’s “well-known” café, naïve — isn't it?",
    "It cost $20 million in 1999; twenty-one people saw 3.5 % of it.",
    "[noise] Uh, the colour (grey) was... mmm, okay! I'm gonna go.",
    "STRASSE straße ÆRØ 東京 Łódź two thirds o'clock 'tis dogs'",
    "every one\talone \n ",
)

_SPACES = re.compile(r"\s+")


@dataclass(frozen=True)
class Normalizer:
    """A named function from text to text.

    Examples:
        >>> load_normalizer("librispeech")("It's five o’clock, Zoë.")
        "IT'S FIVE O'CLOCK ZOE"
    """

    name: str
    version: str
    description: str
    function: Callable[[str], str] = field(repr=False)
    definition: str = ""
    """the steps of a file, as JSON; empty for built-in normalisers"""

    def __call__(self, text: str) -> str:
        return self.function(text)

    @property
    def hash(self) -> str:
        """Twelve hexadecimal digits that depend on version, definition and behaviour."""
        identity = json.dumps([self.version, self.definition, [self(probe) for probe in _PROBES]])
        return hashlib.sha256(identity.encode("utf-8")).hexdigest()[:12]


def load_normalizer(name: str | Path) -> Normalizer:
    """Load a normaliser.

    Args:
        name: `none`, `librispeech`, `whisper-en`, or the path of a YAML file of steps.

    Raises:
        UsageError: The name is unknown, the file cannot be read, or a package is missing.
        ConfigError: The file is invalid (a UsageError that names the line).
    """
    if name == "none":
        return Normalizer("none", "1", "no change, except that runs of white space count as one space", str)
    if name == "librispeech":
        description = (
            "upper-case A-Z and apostrophes inside words; hyphens separate words; accents are removed, other Latin letters are "
            "spelled in A-Z; digits and all other characters are dropped"
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
    description = "Whisper's English normaliser: lower case, numbers as digits, American spelling; fillers and bracketed text are dropped"
    library = EnglishTextNormalizer()

    def change(text: str) -> str:
        openings = sum(map(text.count, "[<("))
        if len(text) > MOST_CHARACTERS or openings * len(text) > MOST_SCANNED:
            raise UsageError(
                f"normalizer whisper-en: a text of {len(text):,} characters with {openings:,} opening brackets would take it hours: "
                "score it in parts, or with another normalizer"
            )
        try:
            return str(library(sort_marks("NFKD", _SPACES.sub(" ", text))))  # long runs take it a long time
        except Exception as e:  # of any kind the library raises
            shown = text if len(text) <= 40 else f"{text[:39]}…"
            raise UsageError(f"normalizer whisper-en: fails on the text {shown!r} ({type(e).__name__}): use another normalizer") from None

    return Normalizer("whisper-en", version, description, change)
