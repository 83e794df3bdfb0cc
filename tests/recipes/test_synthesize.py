"""Which sentences are given to a voice: those of which one hears what is written. And what is there when it is stopped."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests_support import recipe_script

from asr.speech.audio import load_audio
from asr.speech.manifest import read_manifest


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("“She walked down to the river,” he said.", True),
        ("It was Mister Drew’s doctor.", True),
        ("Mr. Drew walked down to the river.", False),
        ("Mr Drew walked down to the river.", False),
        ("Then Mrs Drew walked down.", False),
        ("He met Dr Drew there.", False),
        ("He came at 5 in the morning.", False),
        ("It is written in chapter XIV of the book.", False),
        ("He said ‘now’ and went home.", False),
        ("Go home.", False),  # too few words
    ],
)
def test_only_sentences_spoken_as_written_are_synthesised(sentence: str, expected: bool) -> None:
    assert recipe_script("librispeech/synthesize.py").is_speakable(sentence) is expected


class Tone:
    """A voice that says everything in the same way."""

    def speaker(self, chance: np.random.Generator) -> object:
        return recipe_script("librispeech/synthesize.py").Speaker(pitch=1.0)

    def say(self, text: str, speaker: object, chance: np.random.Generator) -> np.ndarray:
        return np.sin(np.arange(7200 * len(text.split())) / 10).astype(np.float32)


def speak(monkeypatch: pytest.MonkeyPatch, folder: Path, voice: object, *more: str) -> None:
    program = recipe_script("librispeech/synthesize.py")
    (folder / "text.txt").write_text("He walked down to the river.\nShe walked up to the house.\n")
    monkeypatch.setattr(program, "Hibari", lambda: voice)
    monkeypatch.setattr("sys.argv", ["synthesize.py", "hibari", "--text", str(folder / "text.txt"), "--output", str(folder / "out"), *more])
    program.main()


@pytest.mark.parametrize("kind", ["opus", "flac"])
def test_a_full_disk_is_one_line_and_no_half_recording(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as full:
        full.setattr("os.fsync", fail)
        with pytest.raises(SystemExit) as stopped:
            speak(full, tmp_path, Tone(), "--format", kind)
    assert stopped.value.code == 1
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith(f"error: {tmp_path / 'out' / 'audio'}/hibari-1-000000-")
    assert last.endswith(f".{kind}: No space left on device: free some space and run the same command again")
    assert not list((tmp_path / "out" / "audio").iterdir())
    speak(monkeypatch, tmp_path, Tone(), "--format", kind)  # there is space again
    made = read_manifest(tmp_path / "out" / "out.json", need_text=True)
    assert {u.text for u in made} == {"HE WALKED DOWN TO THE RIVER", "SHE WALKED UP TO THE HOUSE"}
    assert [len(load_audio(u.audio_filepath)) / 16_000 for u in made] == [pytest.approx(u.duration, abs=0.001) for u in made]


def test_ctrl_c_keeps_finished_recordings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    class Stopped(Tone):
        said = 0

        def say(self, text: str, speaker: object, chance: np.random.Generator) -> np.ndarray:
            self.said += 1
            if self.said > 1:
                raise KeyboardInterrupt
            return super().say(text, speaker, chance)

    with pytest.raises(SystemExit) as stopped:
        speak(monkeypatch, tmp_path, Stopped())
    assert stopped.value.code == 130
    assert capsys.readouterr().err.splitlines()[-1] == "stopped: the same command goes on"
    assert len(read_manifest(tmp_path / "out" / "hibari-1.json")) == 1
