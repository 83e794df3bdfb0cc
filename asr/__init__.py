"""Listen, Attend and Spell: a sequence-to-sequence speech recogniser.

Examples:
    >>> import asr
    >>> model = asr.load_model()  # the bundled English model
    >>> transcript = model.transcribe("examples/river.flac")
    >>> transcript.text
    'The old man walked slowly down to the river, and looked at the boats.'
    >>> asr.score.evaluate(["GO ON"], ["GO IN"]).systems[0].words.rate
    0.5

Names are imported on first use, so that `import asr` and `asr --help` are quick.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from asr.dependencies import naming_dependencies

_MODULES = {
    "AsrError": "asr.errors",
    "Config": "asr.config",
    "DecodeConfig": "asr.config",
    "load_config": "asr.config_file",
    "Utterance": "asr.speech.manifest",
    "read_manifest": "asr.speech.manifest",
    "write_manifest": "asr.speech.manifest",
    "load_audio": "asr.speech.audio",
    "load_hotwords": "asr.decode.hotwords",
    "load_model": "asr.transcribe",
    "Transcriber": "asr.transcribe",
    "Transcript": "asr.transcript",
    "Trainer": "asr.train.trainer",
}
_PACKAGES = ("report", "score")

__all__ = [
    "AsrError",
    "Config",
    "DecodeConfig",
    "Trainer",
    "Transcriber",
    "Transcript",
    "Utterance",
    "load_audio",
    "load_config",
    "load_hotwords",
    "load_model",
    "read_manifest",
    "report",
    "score",
    "write_manifest",
]

if TYPE_CHECKING:
    from asr import report, score
    from asr.config import Config, DecodeConfig
    from asr.config_file import load_config
    from asr.decode.hotwords import load_hotwords
    from asr.errors import AsrError
    from asr.speech.audio import load_audio
    from asr.speech.manifest import Utterance, read_manifest, write_manifest
    from asr.train.trainer import Trainer
    from asr.transcribe import Transcriber, load_model
    from asr.transcript import Transcript


def __getattr__(name: str) -> Any:
    if name in _PACKAGES or name in _MODULES:
        with naming_dependencies():
            module = import_module(_MODULES.get(name, f"asr.{name}"))
        return module if name in _PACKAGES else getattr(module, name)
    raise AttributeError(f"module 'asr' has no attribute {name!r}")
