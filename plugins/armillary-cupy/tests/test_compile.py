"""Every kernel source is CUDA C that NVIDIA's own compiler takes, for every device we name."""

from __future__ import annotations

import re
from importlib.resources import files
from typing import Any

import pytest

from armillary_cupy import box_layout, isophotes
from armillary_cupy.device import COMPILE_OPTIONS, source_code

#: The oldest devices that CUDA 13 knows (Turing), the A100 (Ampere) and the H100 (Hopper).
COMPUTE = ("7.5", "8.0", "9.0")
SOURCES = sorted(
    file.name
    for file in (files("armillary_cupy") / "kernels").iterdir()
    if file.name.endswith(".cu")
)
#: Registers that the threads of a block share on all of them.
REGISTERS = 65536
#: Threads that our kernels want to have at a time: two of the largest blocks of search_boxes, one
#: of add_inside. In blocks of the others each thread can have 255 registers, which is all that it
#: can ask for.
MOST_THREADS = {"search_boxes": 2 * box_layout.MOST_THREADS, "add_inside": isophotes.PIXEL_THREADS}
OTHERS = 256


@pytest.fixture(scope="module")
def nvrtc() -> Any:
    return pytest.importorskip(
        "cuda.bindings.nvrtc", reason='no compiler of CUDA C; pip install "armillary-cupy[test]"'
    )


@pytest.mark.parametrize("compute", COMPUTE)
@pytest.mark.parametrize("source", SOURCES)
def test_a_kernel_source_compiles_to_ptx(nvrtc: Any, source: str, compute: str) -> None:
    number = compute.replace(".", "")
    program, log = compiled(nvrtc, source, f"--gpu-architecture=compute_{number}")
    assert log.strip("\0\n") == ""
    ptx = bytearray(value(nvrtc.nvrtcGetPTXSize(program)))
    nvrtc.nvrtcGetPTX(program, ptx)
    assert f".target sm_{number}" in ptx.decode()
    assert ptx.decode().count(".visible .entry") == source_code(source).count('extern "C"')


@pytest.mark.parametrize("compute", COMPUTE)
@pytest.mark.parametrize("source", SOURCES)
def test_a_device_has_registers_for_the_largest_blocks(
    nvrtc: Any, source: str, compute: str
) -> None:
    options = (f"--gpu-architecture=sm_{compute.replace('.', '')}", "--ptxas-options=-v")
    _, log = compiled(nvrtc, source, *options)
    used = re.findall(r"entry function '(\w+)'.*?Used (\d+) registers", log, re.DOTALL)
    assert len(used) == source_code(source).count('extern "C"')
    for kernel, registers in used:
        assert int(registers) * MOST_THREADS.get(kernel, OTHERS) <= REGISTERS, kernel


def compiled(nvrtc: Any, source: str, *options: str) -> tuple[Any, str]:
    """The program, and what the compiler said of it."""
    program = value(
        nvrtc.nvrtcCreateProgram(source_code(source).encode(), source.encode(), 0, [], [])
    )
    every = [option.encode() for option in (*options, *COMPILE_OPTIONS)]
    (status,) = nvrtc.nvrtcCompileProgram(program, len(every), every)
    log = bytearray(value(nvrtc.nvrtcGetProgramLogSize(program)))
    nvrtc.nvrtcGetProgramLog(program, log)
    assert status == nvrtc.nvrtcResult.NVRTC_SUCCESS, log.decode()
    return program, log.decode()


def value(answer: tuple) -> Any:
    """What a call of NVRTC gives, if it went well."""
    status, given = answer
    assert status == 0, status
    return given
