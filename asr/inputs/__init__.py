"""Find the recordings that a command line names: files, folders, globs, manifests, pipes, standard input.

>>> from asr.inputs import expand, open_inputs
>>> with open_inputs(expand(["talks/", "more/*.mp3", "-"])) as recordings:
...     for recording in recordings:
...         print(recording.label, recording.utterance.audio_filepath, recording.name.short)
"""

from asr.inputs.expand import Recording, expand, input_files, names_one_recording, open_inputs, output_names
from asr.inputs.streams import STANDARD_INPUT

__all__ = ["STANDARD_INPUT", "Recording", "expand", "input_files", "names_one_recording", "open_inputs", "output_names"]
