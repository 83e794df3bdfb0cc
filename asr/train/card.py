"""The model card of a recogniser."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence

from asr.config import Config
from asr.score.wer import Score
from asr.speech.batches import Example
from asr.train.state import Position
from asr.version import version


def command_line() -> str:
    """Return the command of this process."""
    return shlex.join(["asr", *sys.argv[1:]])


def model_card(
    config: Config, chosen: str, dev: Score, examples: Sequence[Example], position: Position, with_lm: bool, computed: str
) -> str:
    """Write the model card: training data, method and error rates.

    Args:
        config: The recipe.
        chosen: Which weights were chosen.
        dev: Dev error rates, with the final search.
        examples: Training utterances.
        position: End of the run.
        with_lm: Whether the folder has a language model.
        computed: Precision and devices of the run.

    Returns:
        Markdown.
    """
    hours = sum(e.seconds for e in examples) / 3600
    speakers = {e.utterance.speaker for e in examples if e.utterance.speaker}
    listener, search, train = config.model.listener, config.decode, config.train
    language = f", language model weight {search.lm_weight} (the one in `lm/`)" if with_lm else ""
    start = f"`{train.start_from}`{'' if train.start_with == 'all' else ' (its listener)'}, and its training data"
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
| training | {position.heard / 3600 / hours:.2f} epochs, {position.step} steps, {position.seconds / 60:.0f} min, seed {config.seed} |
| precision | {computed} (`train.precision: {train.precision}`) |
| command | `{command_line()}` |
| started from | {start if train.start_from else "random weights"} |
| network | listener {listener.description}; attention: {config.model.attention.kind} |

**Limits.** Expect more errors on speech unlike the training data: other languages, words, accents, or recording conditions.
"""
