import pytest

from services.common.runtimes.onnx_session import ProviderError, wanted_providers

GPU_BUILD = ("TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider")
CPU_BUILD = ("CPUExecutionProvider",)


def names(choice, available, num_cuda_devices):
    return [name for name, _ in wanted_providers(choice, available, num_cuda_devices)]


@pytest.mark.parametrize(
    ("choice", "available", "num_cuda_devices", "expected"),
    [
        ("auto", GPU_BUILD, 1, ["CUDAExecutionProvider", "CPUExecutionProvider"]),
        ("auto", GPU_BUILD, 0, ["CPUExecutionProvider"]),
        ("auto", CPU_BUILD, 1, ["CPUExecutionProvider"]),
        ("cpu", GPU_BUILD, 1, ["CPUExecutionProvider"]),
        ("cuda", GPU_BUILD, 2, ["CUDAExecutionProvider", "CPUExecutionProvider"]),
        ("tensorrt", GPU_BUILD, 1, list(GPU_BUILD)),
    ],
)
def test_order_of_providers(choice, available, num_cuda_devices, expected):
    assert names(choice, available, num_cuda_devices) == expected


@pytest.mark.parametrize("choice", ["cuda", "tensorrt"])
def test_a_provider_that_the_build_lacks_or_that_has_no_device_is_refused(choice):
    with pytest.raises(ProviderError, match=f"'{choice}' needs .*CUDAExecutionProvider"):
        names(choice, CPU_BUILD, 1)
    with pytest.raises(ProviderError, match="no NVIDIA driver or no device"):
        names(choice, GPU_BUILD, 0)
