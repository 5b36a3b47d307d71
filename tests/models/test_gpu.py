"""Whether there is a GPU, and what the window says that a model runs on."""

import ctypes.util

import pytest

from labeler.models import onnx_export
from labeler.worker.host import device


def test_a_driver_without_a_card_is_no_gpu(monkeypatch) -> None:
    name = ctypes.util.find_library("c")
    if name is None:
        pytest.skip("there is no C library to stand for a driver that knows of no card")
    monkeypatch.setattr(ctypes.util, "find_library", lambda _: name)
    assert not onnx_export._has_gpu()


def test_no_driver_is_no_gpu(monkeypatch) -> None:
    monkeypatch.setattr(ctypes.util, "find_library", lambda _: None)
    assert not onnx_export._has_gpu()


class OnCpu:
    device = "cpu"


class OnGpu:
    device = "cuda:0"


def test_a_model_on_the_cpu_is_told_with_its_threads(monkeypatch) -> None:
    monkeypatch.setenv("LABELER_THREADS", "2")
    assert device(object()) == device(OnCpu()) == "CPU · 2 threads"


def test_a_model_on_a_gpu_is_told_by_the_name_of_the_card(monkeypatch) -> None:
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        # the one thing of a card that is asked for
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda where: f"The card {where}")
        assert device(OnGpu()) == "The card cuda:0"
    else:
        assert device(OnGpu()) == torch.cuda.get_device_name(0)
