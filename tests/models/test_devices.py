"""Which device is chosen and why, by what torch and the system answer; what the window says of it."""

import ctypes.util
import sys

import pytest
import torch

from labeler.models import devices
from labeler.worker.host import device

CPU, GPU, APPLE = torch.device("cpu"), torch.device("cuda:0"), torch.device("mps")


@pytest.fixture
def machine(monkeypatch):
    """Sets what torch and the system answer: `machine(cuda=True)`; nothing is there by default."""

    def answer(*, cuda=False, mps=False, driver=False, built_for="13.2", system="linux") -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
        monkeypatch.setattr(torch.version, "cuda", built_for)
        monkeypatch.setattr(devices, "has_gpu", lambda: driver)
        monkeypatch.setattr(sys, "platform", system)

    answer()
    return answer


def test_nvidias_gpu_comes_before_apples_and_both_before_the_cpu(machine, monkeypatch) -> None:
    monkeypatch.setattr(devices, "_apple_works", lambda: True)
    assert devices.chosen() == CPU
    machine(mps=True)
    assert devices.chosen() == APPLE
    assert devices.reason(APPLE) == "Torch can use this GPU."
    machine(mps=True, cuda=True)
    assert devices.chosen().type == "cuda"


def test_apples_gpu_is_left_alone_where_it_cannot_even_convolve(machine) -> None:
    if sys.platform == "darwin":
        pytest.skip("its GPU can be used here")
    machine(mps=True)  # as torch says on systems whose GPU it cannot use after all
    assert devices.chosen() == CPU
    assert "failed a trial" in devices.reason(CPU)


def test_why_it_is_the_cpu_is_said(machine) -> None:
    assert devices.reason(CPU) == "There is no GPU that torch could use."
    machine(driver=True)
    assert devices.reason(CPU).endswith("but torch cannot use it; update its driver.")
    machine(driver=True, built_for=None)
    assert devices.reason(CPU).endswith("but the torch that is installed was built without CUDA.")
    machine(driver=True, system="darwin")
    assert devices.reason(CPU) == "There is a GPU by Apple, but torch cannot use it; update macOS."
    machine(cuda=True, driver=True)
    assert devices.reason(CPU) == devices.CPU_ONLY


def test_what_is_faster_there_and_right(machine, monkeypatch) -> None:
    assert devices.image_layout(CPU) == devices.image_layout(GPU) == torch.channels_last
    assert devices.image_layout(APPLE) == torch.preserve_format, "some layers are wrong in it there"
    assert devices.short_float(APPLE) is None
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: False)
    assert devices.short_float(GPU) == torch.float16


def test_memory_that_ran_out_is_one_error_on_every_device() -> None:
    for error in (
        torch.OutOfMemoryError("CUDA out of memory."),
        RuntimeError("MPS backend out of memory (MPS allocated: 9.0 GB)"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes"),
    ):
        with pytest.raises(MemoryError), devices.inference():
            raise error
    with pytest.raises(RuntimeError, match="size mismatch"), devices.inference():
        raise RuntimeError("size mismatch")


# --- the driver, asked without torch ------------------------------------------------------------------
def test_a_driver_without_a_card_is_no_gpu(monkeypatch) -> None:
    name = ctypes.util.find_library("c")
    if name is None or sys.platform == "darwin":
        pytest.skip("there is no C library to stand for a driver that knows of no card")
    monkeypatch.setattr(ctypes.util, "find_library", lambda _: name)
    assert not devices.has_gpu()


def test_no_driver_is_no_gpu(monkeypatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(ctypes.util, "find_library", lambda _: None)
    assert not devices.has_gpu()


# --- what the status bar says -------------------------------------------------------------------------
class OnCpu:
    device = "cpu"


class OnGpu:
    device = "cuda:0"


class OnApple:
    device = APPLE


def test_a_model_on_the_cpu_is_told_with_its_threads_and_why(machine, monkeypatch) -> None:
    monkeypatch.setenv("LABELER_THREADS", "2")
    assert device(object()) == ("CPU · 2 threads", devices.CPU_ONLY)
    assert device(OnCpu()) == ("CPU · 2 threads", "There is no GPU that torch could use.")
    machine(cuda=True)
    assert device(OnCpu()) == ("CPU · 2 threads", devices.CPU_ONLY)


def test_a_model_on_a_gpu_is_told_by_its_name(monkeypatch) -> None:
    if torch.cuda.is_available():
        assert device(OnGpu())[0] == torch.cuda.get_device_name(0)
    else:
        # the one thing of a card that is asked for
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda where: f"The card {where}")
        assert device(OnGpu()) == ("The card cuda:0", "Torch can use this GPU.")
    assert device(OnApple())[0] == "Apple GPU"


def test_an_exported_network_is_used_where_the_gpu_cannot_be(machine, monkeypatch, tmp_path) -> None:
    """A card that torch cannot use is none: the faster of torch and ONNX Runtime works on the CPU."""
    from labeler.models import onnx_export
    from labeler.models.protocols import Weights

    machine(driver=True)
    monkeypatch.setattr(onnx_export, "_exported", lambda network, stem: ("exported", network.device))
    module = torch.nn.Conv2d(3, 1, 1)
    network = onnx_export.fast_network(
        Weights(tmp_path / "some.pt", "0" * 64), lambda: onnx_export.TorchNetwork(module, {})
    )
    assert network == ("exported", CPU)
