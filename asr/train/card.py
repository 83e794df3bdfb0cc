"""The model card that a run writes beside its weights."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence

from asr.config import Config
from asr.score.wer import Score
from asr.speech.batches import Example
from asr.train.state import Place
from asr.version import version


def command() -> str:
    """What was typed."""
    return shlex.join(["asr", *sys.argv[1:]])


def model_card(config: Config, chosen: str, dev: Score, examples: Sequence[Example], place: Place, with_lm: bool, computed: str) -> str:
    """Markdown: what the model was trained on, how, and how good it is, as measured at the end of its run."""
    hours = sum(e.seconds for e in examples) / 3600
    speakers = {e.utterance.speaker for e in examples if e.utterance.speaker}
    listener, search, train = config.model.listener, config.decode, config.train
    language = f", language model weight {search.lm_weight} (the one in `lm/`)" if with_lm else ""
    start = f"`{train.start_from}`{'' if train.start_with == 'all' else ' (its listener)'}, and what that was trained on"
    teacher = ""
    if train.teacher_weight:
        teacher = f"| teacher | targets in {', '.join(f'`{p.name}`' for p in config.data.teacher)}, weight {train.teacher_weight:g} |\n"
    return f"""# Model card

A *Listen, Attend and Spell* speech recogniser, trained with `las-asr` {version()}.

| | |
|---|---|
| training data | {", ".join(f"`{p.name}`" for p in config.data.train)}: {len(examples)} utterances, {hours:.2f} hours, {len(speakers) or "unnamed"} speakers |
| development data | {", ".join(f"`{p.name}`" for p in config.data.dev)}: {dev.utterances} utterances; chooses the checkpoint |
{teacher}| dev WER | {100 * dev.words.rate:.2f} % ({dev.words.errors} errors in {dev.words.reference_length} words), CER {100 * dev.characters.rate:.2f} % |
| search | beam {search.beam}, CTC weight {search.ctc_weight}, length bonus {search.length_bonus}{language} |
| weights | {chosen} |
| training | {place.heard / 3600 / hours:.2f} epochs, {place.step} steps, {place.seconds / 60:.0f} min, seed {config.seed} |
| precision | {computed} (`train.precision: {train.precision}`) |
| command | `{command()}` |
| started from | {start if train.start_from else "random weights"} |
| network | listener {len(listener.pyramid)} x {listener.hidden} units a direction, reduction {listener.reduction}; attention: {config.model.attention.kind} |

**Limits.** It knows the language, the words and the recording conditions of its training data, and no others.
"""
