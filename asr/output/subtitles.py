"""Subtitles: SubRip (srt) and WebVTT (vtt)."""

from __future__ import annotations

from asr.output.cues import Cue, cut_cues
from asr.output.options import OutputOptions
from asr.transcript import Transcript


def to_srt(transcript: Transcript, options: OutputOptions) -> str:
    """Numbered cues; nothing where nothing was said. An arrow (`-->`) in the text becomes `->`, for SubRip cannot escape it."""
    cues = []
    for number, cue in enumerate(cut_cues(transcript, options), start=1):
        text = "\n".join(" ".join(word.text for word in line) for line in cue.lines).replace("-->", "->")
        cues.append(f"{number}\n{_clock(cue.start, ',')} --> {_clock(cue.end, ',')}\n{cue.mark}{text}\n")
    return "\n".join(cues)


def to_vtt(transcript: Transcript, options: OutputOptions) -> str:
    """Cues under WEBVTT, `&`, `<` and `>` escaped; with `options.word_times`, a time stamp before each word but a cue's first."""
    cues = []
    for cue in cut_cues(transcript, options):
        text = _timed_text(cue) if options.word_times else "\n".join(" ".join(_escape(w.text) for w in line) for line in cue.lines)
        cues.append(f"\n{_clock(cue.start, '.')} --> {_clock(cue.end, '.')}\n{_escape(cue.mark)}{text}\n")
    return "WEBVTT\n" + "".join(cues)


def _timed_text(cue: Cue) -> str:
    """A stamp must be later than the one before it and within the cue: words that are said at once share one."""
    latest = cue.start
    lines = []
    for line in cue.lines:
        texts = []
        for word in line:
            at = round(1000 * word.start)
            stamp = f"<{_clock(at, '.')}>" if latest < at < cue.end else ""
            latest = at if stamp else latest
            texts.append(stamp + _escape(word.text))
        lines.append(" ".join(texts))
    return "\n".join(lines)


def _clock(milliseconds: int, point: str) -> str:
    """`01:02:03,456`; hours have two digits or as many as they need."""
    seconds, thousandths = divmod(milliseconds, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{seconds:02d}{point}{thousandths:03d}"


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
