"""Find the recordings that a command line names: files, folders, globs, manifests, pipes, standard input.

Examples:
    >>> from asr.inputs import expand, open_inputs
    >>> with open_inputs(expand(["examples/river.flac", "examples/w*.flac"])) as recordings:
    ...     for recording in recordings:
    ...         print(recording.label, recording.name.short)
    examples/river.flac river
    examples/walk.flac walk
    examples/window.flac window
"""

from asr.inputs.expand import Recording, expand, input_files, names_one_recording, open_inputs, output_names
from asr.inputs.streams import STANDARD_INPUT

__all__ = ["STANDARD_INPUT", "Recording", "expand", "input_files", "names_one_recording", "open_inputs", "output_names"]
