"""SIGINT and SIGTERM: no thread of a training process is interrupted, the first signal stops the loop, the second the process."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from asr.config import Config
from asr.config_file import dump_config
from asr.model.checkpoint import read_tensors
from asr.train import signals
from asr.train.signals import Interruption, signal_thread
from asr.train.trainer import Trainer

ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
BLOCKED = 1 << (signal.SIGINT - 1) | 1 << (signal.SIGTERM - 1)
NEVER_STOPPING = """
import os
import sys
from pathlib import Path
from asr.train import signals
taken = 0
def count(*_):
    global taken
    taken += 1
    return True
signals.Interruption.request = signals._exit_at_once = count
with signals.signal_thread():
    from asr.config import Config
    from asr.config_file import load_config
    from asr.train.trainer import Trainer
    Trainer(load_config(Config, Path(sys.argv[1]))).run()
    print(taken, flush=True)
    os._exit(0)  # with the signals still blocked
"""


def recipe(config: Config, path: Path, **train: object) -> Path:
    train_config = config.train.model_copy(update={"precision": "fp32", **train})
    path.write_text(dump_config(config.model_copy(update={"train": train_config})), encoding="utf-8")
    return path


def start(*arguments: str) -> subprocess.Popen[str]:
    """Python with some arguments, in a process group of its own."""
    command = [sys.executable, *arguments]
    return subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)


def wait_for(condition: Callable[[], object], process: subprocess.Popen[str]) -> None:
    end = time.monotonic() + 120
    while not condition():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.01)


def has_stepped(run: Path) -> bool:
    return (run / "log.jsonl").is_file() and '"loss"' in (run / "log.jsonl").read_text(encoding="utf-8")


def masks(process: subprocess.Popen[str]) -> list[int]:
    """The signals that each thread of a process blocks."""
    found = []
    for status in Path(f"/proc/{process.pid}/task").glob("*/status"):
        lines = dict(line.split(":", 1) for line in status.read_text(encoding="utf-8").splitlines())
        found.append(int(lines["SigBlk"], 16))
    return found


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="the masks of another process's threads are in Linux's /proc")
def test_no_thread_is_interrupted_by_a_signal(tone_config: Config, tmp_path: Path) -> None:
    path = recipe(tone_config, tmp_path / "a.yaml", epochs=500, evaluate_epochs=500)
    process = start("-m", "asr", "train", str(path))
    wait_for(lambda: has_stepped(tone_config.output), process)
    blocked = masks(process)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert len(blocked) >= 3  # the training, torch's threads and the one that waits for the signals, which Linux shows with them unblocked
    assert sum(mask & BLOCKED != BLOCKED for mask in blocked) == 1, list(map(hex, blocked))


def test_hundreds_of_signals_change_no_bit(tone_config: Config, tmp_path: Path) -> None:
    disturbed = tone_config.model_copy(update={"output": tmp_path / "disturbed"})
    (tmp_path / "run.py").write_text(NEVER_STOPPING, encoding="utf-8")
    process = start(str(tmp_path / "run.py"), str(recipe(disturbed, tmp_path / "a.yaml", epochs=4)))
    wait_for(lambda: has_stepped(disturbed.output), process)
    for number in itertools.cycle([signal.SIGINT, signal.SIGTERM]):
        if process.poll() is not None:
            break
        process.send_signal(number)
        time.sleep(0.002)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert int(out) >= 200
    whole = Trainer(tone_config.model_copy(update={"train": tone_config.train.model_copy(update={"epochs": 4})})).run()
    one, other = (read_tensors(run / "model" / "model.safetensors") for run in (whole.parent, disturbed.output))
    for name, tensor in one.items():
        assert torch.equal(tensor, other[name]), name


@pytest.mark.parametrize("numbers", [[signal.SIGINT], [signal.SIGINT, signal.SIGTERM]], ids=["once", "twice"])
def test_loading_processes_leave_signals_of_the_group_to_their_parent(tone_config: Config, tmp_path: Path, numbers: list[int]) -> None:
    config = tone_config.model_copy(update={"data": tone_config.data.model_copy(update={"workers": 2})})
    process = start(
        "-m", "asr", "train", str(recipe(config, tmp_path / "a.yaml", epochs=500, evaluate_epochs=500, checkpoint_minutes=1e-6))
    )
    wait_for(lambda: list((config.output / "states").glob("step-*")), process)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    workers = children.read_text(encoding="utf-8").split() if children.is_file() else []
    for number in numbers:  # as Ctrl-C in a terminal, and as cluster schedulers do
        os.killpg(process.pid, number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.count("stopping after this step") == 1
    assert "Traceback" not in err
    error, resume, finish = err.splitlines()[-3:]
    kept = "at step [0-9]+, with a checkpoint" if len(numbers) == 1 else "; the checkpoint of step [0-9]+, written [0-9]+ s ago, is kept"
    assert re.fullmatch(f"error: stopped ?{kept}", error)
    again = f"{sys.executable} -m asr train {tmp_path / 'a.yaml'}"
    assert [resume, finish] == [f"resume:           {again}", f"write its model:  {again} --finish"]
    end = time.monotonic() + 10
    while any(map(is_running, workers)) and time.monotonic() < end:  # they have been killed, and are about to go
        time.sleep(0.05)
    assert not [pid for pid in workers if is_running(pid)]
    states = sorted((config.output / "states").glob("step-*"))
    assert states
    assert all(read_tensors(state / "training.safetensors") for state in states)


def is_running(pid: str) -> bool:
    try:
        return " Z " not in Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except OSError:
        return False


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_before_the_first_step_ends_in_one_line(tone_config: Config, tmp_path: Path, number: int) -> None:
    pipe = tmp_path / "train.json"
    os.mkfifo(pipe)  # the manifest never comes
    config = tone_config.model_copy(update={"data": tone_config.data.model_copy(update={"train": (pipe,)})})
    process = start("-m", "asr", "train", str(recipe(config, tmp_path / "a.yaml")))

    ends: list[int] = []

    def is_read() -> bool:
        with contextlib.suppress(OSError):  # it does not read yet
            ends.append(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))
        return bool(ends)

    wait_for(is_read, process)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    os.close(ends[0])
    assert process.returncode == 130
    assert err.strip().splitlines()[-1] == "error: stopped; there is no checkpoint yet: the same command starts from the beginning"
    assert "Traceback" not in err


def test_outside_the_command_line_handlers_come_and_go(capfd: pytest.CaptureFixture[str]) -> None:
    before = [signal.getsignal(s) for s in signals.SIGNALS]
    with pytest.raises(KeyboardInterrupt), Interruption(announce=True) as interruption:
        assert not interruption.requested
        os.kill(os.getpid(), signal.SIGTERM)
        assert interruption.requested
        os.kill(os.getpid(), signal.SIGINT)
    assert [signal.getsignal(s) for s in signals.SIGNALS] == before
    assert capfd.readouterr().err.count("stopping after this step") == 1


def test_nothing_is_written_after_the_last_lines() -> None:
    code = (
        "import os, threading, time\n"
        "from asr.train import signals\n"
        "def write():\n"
        "    while True:\n"
        "        os.write(2, b'progress\\n')\n"
        "threading.Thread(target=write, daemon=True).start()\n"
        "time.sleep(0.05)\n"
        "signals._exit_at_once(lambda: ['error: stopped; kept', 'resume: …'])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], env=ENVIRONMENT, capture_output=True, text=True, timeout=60)
    assert done.returncode == signals.STOPPED
    assert done.stderr.endswith("progress\nerror: stopped; kept\nresume: …\n")
    failing = code.replace("['error: stopped; kept', 'resume: …']", "1 / 0")
    done = subprocess.run([sys.executable, "-c", failing], env=ENVIRONMENT, capture_output=True, text=True, timeout=60)
    assert done.stderr.endswith("progress\nerror: stopped\n")


def test_another_thread_takes_no_signal() -> None:
    asked: list[bool] = []

    def train() -> None:
        with Interruption() as interruption:
            asked.append(interruption.requested)

    thread = threading.Thread(target=train)
    thread.start()
    thread.join()
    assert asked == [False]


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="this system has no signal masks")
def test_the_signal_thread_gives_the_signals_back() -> None:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    with signal_thread():
        assert set(signals.SIGNALS) <= signal.pthread_sigmask(signal.SIG_BLOCK, ())
        with Interruption() as interruption:
            (taker,) = (thread for thread in threading.enumerate() if thread.name == "signals")
            assert taker.ident is not None
            signal.pthread_kill(taker.ident, signal.SIGTERM)  # a thread of other tests may not block it
            end = time.monotonic() + 30
            while not interruption.requested and time.monotonic() < end:
                time.sleep(0.01)
            assert interruption.requested
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before
    assert "signals" not in [thread.name for thread in threading.enumerate()]


def test_nothing_with_threads_is_imported_before_signals_are_blocked() -> None:
    code = "import json, sys, asr.cli, asr.train.signals; print(json.dumps([m for m in ('torch', 'numpy') if m in sys.modules]))"
    done = subprocess.run([sys.executable, "-c", code], env=ENVIRONMENT, capture_output=True, text=True, timeout=60, check=True)
    assert json.loads(done.stdout) == []
