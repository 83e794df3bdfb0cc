"""What the user names, and what is to be transcribed: files, folders, globs, manifests, standard input.

>>> from asr.inputs import open_inputs
>>> with open_inputs(["talks/", "more/*.mp3", "-"]) as recordings:
...     for recording in recordings:
...         print(recording.label, recording.utterance.audio_filepath, recording.name)
"""

from asr.inputs.expand import Recording, expand, open_inputs
from asr.inputs.standard_input import STANDARD_INPUT

__all__ = ["STANDARD_INPUT", "Recording", "expand", "open_inputs"]
