"""Jobs side by side and the GPUs of one machine; no GPU is needed to test who gets which."""

import multiprocessing
import os
import signal
import threading
import time
from pathlib import Path

import pytest
import torch

from segrepro.cli._options import computing
from segrepro.training import _gpus
from segrepro.training._gpus import claimed

TWO = ["0", "1"]


def test_each_job_gets_a_gpu_of_its_own(tmp_path: Path) -> None:
    with claimed(1, there=TWO, locks=tmp_path) as first:
        with claimed(1, there=TWO, locks=tmp_path) as second:
            assert (first, second) == (["0"], ["1"])
        with claimed(1, there=TWO, locks=tmp_path) as third:
            assert third == ["1"]


def test_a_job_waits_for_as_many_as_it_wants(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(_gpus, "WAIT_SECONDS", 0.01)
    got: list[list[str]] = []

    def want_both() -> None:
        with claimed(2, there=TWO, locks=tmp_path) as names:
            got.append(names)

    waiting = threading.Thread(target=want_both)
    with claimed(1, there=TWO, locks=tmp_path):
        waiting.start()
        waiting.join(timeout=0.2)
        assert got == []
    waiting.join(timeout=10)
    assert got == [TWO]
    assert capsys.readouterr().err.count("waiting for 2 of 2 GPUs") == 1


def hold(locks: Path) -> None:
    with claimed(1, there=["0"], locks=locks):
        time.sleep(60)


def test_a_killed_job_lets_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_gpus, "WAIT_SECONDS", 0.01)
    job = multiprocessing.get_context("spawn").Process(target=hold, args=(tmp_path,))
    job.start()
    while not (tmp_path / "0.lock").exists():
        time.sleep(0.01)
    os.kill(job.pid or 0, signal.SIGKILL)
    with claimed(1, there=["0"], locks=tmp_path) as names:
        assert names == ["0"]
    job.join()


@pytest.fixture
def two_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


@pytest.mark.usefixtures("two_gpus")
def test_a_run_computes_on_the_gpu_it_got_or_on_all_it_wants() -> None:
    with computing(1) as (device, devices):
        assert (device.startswith("cuda:"), devices) == (True, 1)
    with computing(2) as chosen:
        assert chosen == ("cuda", 2)
        assert os.environ["CUDA_VISIBLE_DEVICES"] == "0,1"
    del os.environ["CUDA_VISIBLE_DEVICES"]


@pytest.mark.usefixtures("two_gpus")
def test_what_a_batch_system_gave_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5")
    with computing(1) as chosen:
        assert chosen == ("cuda", 1)


def test_without_gpus_it_is_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    with computing(1) as chosen:
        assert chosen == ("cpu", 1)
    with computing(0, devices=2) as chosen:
        assert chosen == ("cpu", 2)
