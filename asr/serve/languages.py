"""Names and codes of languages, as clients write them."""

from __future__ import annotations

from functools import lru_cache

import langcodes
from langcodes.tag_parser import LanguageTagError

LONGEST = 60  # characters of a code or name


def language_name(code: str) -> str:
    """Return the English name of a language: `de` is German. An unknown code is returned as it is."""
    name = langcodes.Language.get(code).display_name()
    return code if name.startswith("Unknown language") else name


@lru_cache(maxsize=256)
def same_language(given: str, code: str) -> bool:
    """Whether `given` names the language of an ISO 639 code.

    Args:
        given: a code of two or three letters, a language tag with a region (`en-US`), or an English name, in upper or lower case.
        code: ISO 639 code.
    """
    given = given.strip()
    if len(given) > LONGEST:
        return False
    if given.casefold() == language_name(code).casefold():
        return True
    try:
        return _language(given) == _language(code)
    except LanguageTagError:
        return False


def _language(tag: str) -> str | None:
    """Return the language of a tag without script and region; Mandarin (`cmn`) is Chinese (`zh`)."""
    return langcodes.Language.get(langcodes.standardize_tag(tag, macro=True)).language
