"""Subtitles: SubRip (srt) and WebVTT (vtt)."""

from __future__ import annotations

from asr.output.cues import Cue, cut_cues
from asr.output.options import OutputOptions
from asr.transcript import Transcript


def to_srt(transcript: Transcript, options: OutputOptions) -> str:
    """Write SubRip: numbered cues. An arrow (`-->`) in the text becomes `->`, as SubRip cannot escape it."""
    cues = []
    for number, cue in enumerate(cut_cues(transcript, options), start=1):
        text = "\n".join(" ".join(word.text for word in line) for line in cue.lines).replace("-->", "->")
        cues.append(f"{number}\n{_format_time(cue.start, ',')} --> {_format_time(cue.end, ',')}\n{cue.mark}{text}\n")
    return "\n".join(cues)


def to_vtt(transcript: Transcript, options: OutputOptions) -> str:
    """Write WebVTT, with `&`, `<` and `>` escaped. With `options.word_times`, each word after the first of a cue has a time stamp."""
    cues = []
    for cue in cut_cues(transcript, options):
        text = _timed_text(cue) if options.word_times else "\n".join(" ".join(_escape(w.text) for w in line) for line in cue.lines)
        cues.append(f"\n{_format_time(cue.start, '.')} --> {_format_time(cue.end, '.')}\n{_escape(cue.mark)}{text}\n")
    return "WEBVTT\n" + "".join(cues)


def _timed_text(cue: Cue) -> str:
    """Write a cue with time stamps. Stamps must increase within the cue, so words with the same time share one."""
    latest = cue.start
    lines = []
    for line in cue.lines:
        texts = []
        for word in line:
            at = round(1000 * word.start)
            stamp = f"<{_format_time(at, '.')}>" if latest < at < cue.end else ""
            latest = at if stamp else latest
            texts.append(stamp + _escape(word.text))
        lines.append(" ".join(texts))
    return "\n".join(lines)


def _format_time(milliseconds: int, point: str) -> str:
    """Format a time as `01:02:03,456`. Hours have at least two digits."""
    seconds, thousandths = divmod(milliseconds, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{seconds:02d}{point}{thousandths:03d}"


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
