"""Whether there is a device, and why not; what the plugin imports, and when."""

from __future__ import annotations

import ctypes
import importlib.machinery
import subprocess
import sys
import types
from importlib.metadata import entry_points
from typing import Any

import numpy as np
import pytest

from armillary.plugins import Request
from armillary.plugins.registry import get_registry
from armillary_cupy import device

from .host import HostDevice

REQUEST = Request("search.bls")
OPERATIONS = (
    "search.bls",
    "search.template_score",
    "crossmatch.nearest",
    "crossmatch.within",
    "fit.forced_isophotes",
)


class FakeCupy(types.ModuleType):
    """As much of cupy as is asked whether there is a device."""

    def __init__(self, devices: int | Exception, version: str, headers: bool) -> None:
        super().__init__("cupy")
        self.__spec__ = importlib.machinery.ModuleSpec("cupy", None)
        self.__version__ = version
        self.cuda = types.SimpleNamespace(runtime=self)
        self.devices = devices
        self.headers = headers
        self.compiled = 0

    def getDeviceCount(self) -> int:
        if isinstance(self.devices, Exception):
            raise self.devices
        return self.devices

    def RawModule(self, code: str, options: tuple[str, ...]) -> Any:
        return self

    def compile(self) -> None:
        if not self.headers:
            raise RuntimeError("Failed to find CUDA headers.")
        self.compiled += 1


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A machine with this cupy, and a driver or none."""

    def make(
        devices: int | Exception,
        driver: bool = True,
        version: str = "14.2.0",
        headers: bool = True,
    ) -> FakeCupy:
        def load(name: str) -> None:
            if not driver:
                raise OSError(f"{name}: cannot open shared object file")

        cupy = FakeCupy(devices, version, headers)
        monkeypatch.setitem(sys.modules, "cupy", cupy)
        monkeypatch.setattr(ctypes, "CDLL", load)
        forget()
        return cupy

    def forget() -> None:
        device._has_driver.cache_clear()
        device._compile_nothing.cache_clear()

    yield make
    forget()


def test_without_cupy_the_reason_says_how_to_install_it(monkeypatch):
    monkeypatch.setattr(device, "find_spec", lambda name: None)
    assert device.can_run(REQUEST) == (
        'cupy is not installed; pip install "armillary-cupy[cuda12]" (or [cuda13])'
    )


def test_without_a_driver_the_reason_says_so_and_cupy_is_not_asked(machine):
    machine(RuntimeError("asked"), driver=False)
    assert device.can_run(REQUEST) == "no CUDA driver"


@pytest.mark.parametrize(
    "devices", [0, RuntimeError("cudaErrorNoDevice: no CUDA-capable device is detected")]
)
def test_without_a_device_the_reason_says_so(machine, devices):
    machine(devices)
    assert device.can_run(REQUEST) == "no CUDA device"


def test_what_else_is_wrong_is_told_in_the_words_of_cupy(machine):
    machine(RuntimeError("cudaErrorInsufficientDriver: CUDA driver version is insufficient"))
    assert device.can_run(REQUEST) == (
        "cupy finds no CUDA device that it can use: "
        "cudaErrorInsufficientDriver: CUDA driver version is insufficient"
    )


def test_a_cupy_that_cannot_be_imported_is_told_by_what_is_missing(machine, monkeypatch, tmp_path):
    machine(1)
    (tmp_path / "cupy.py").write_text(
        "try:\n    import cuda_that_is_missing\n"
        "except ImportError as error:\n    raise ImportError('====\\nlong') from error\n"
    )
    monkeypatch.delitem(sys.modules, "cupy")
    monkeypatch.syspath_prepend(tmp_path)
    assert device.can_run(REQUEST) == (
        "cupy cannot be imported: No module named 'cuda_that_is_missing'"
    )


@pytest.mark.parametrize("version", ["13.6.0", "14.1.1"])
def test_an_old_cupy_is_declined(machine, version):
    cupy = machine(1, version=version)
    assert device.can_run(REQUEST) == f"cupy {version} is too old: 14.2 or later"
    assert cupy.compiled == 0


@pytest.mark.parametrize("version", ["14.2.0", "14.10.1", "15.0.0a1"])
def test_a_later_cupy_is_as_good(machine, version):
    machine(1, version=version)
    assert device.can_run(REQUEST) is True


def test_without_the_headers_of_cuda_no_kernel_can_be_compiled(machine):
    machine(1, headers=False)
    assert device.can_run(REQUEST) == ("cupy cannot compile kernels: Failed to find CUDA headers.")


def test_with_a_device_it_can_run_and_the_compiler_is_tried_once(machine):
    cupy = machine(2)
    assert device.can_run(REQUEST) is True
    assert device.can_run(REQUEST) is True
    assert cupy.compiled == 1


def test_the_distribution_is_found_through_its_entry_point():
    (entry,) = (e for e in entry_points(group="armillary") if e.name == "cupy")
    assert entry.dist is not None
    assert entry.dist.name == "armillary-cupy"
    for operation in OPERATIONS:
        record = get_registry().backends(operation)["cupy"].record
        assert record.arrays == ("numpy", "cupy") and record.precision == "float64"


def test_records_are_collected_and_declined_without_importing_cupy():
    code = (
        "import sys, armillary as arm\n"
        "arm.list_backends('search.bls')\n"
        "print('armillary_cupy.plugin' in sys.modules, 'cupy' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    imported = "True" if device.can_run(REQUEST) is True else "False"
    assert done.stdout.split() == ["True", imported]


def test_use_puts_a_device_in_force_for_a_while():
    one, other = HostDevice(), HostDevice()
    with device.use(one):
        with device.use(other):
            assert device.current() is other
        assert device.current() is one


def test_every_source_begins_with_the_phase_convention():
    assert device.source_code("box.cu").startswith("// What stands before every kernel source")


# ------------------------------------------------------------------ the device that the host plays


def test_the_host_refuses_arguments_of_other_types_than_those_of_the_kernel(host):
    kernel = host.kernel("box.cu", "weigh_points")
    numbers = np.zeros(4)
    with pytest.raises(TypeError, match="weigh_points does not take arguments of the types Pd"):
        kernel((1,), (2,), (numbers, numbers, numbers, numbers, numbers))


@pytest.mark.parametrize(
    ("grid", "block", "shared_bytes"),
    [((0,), (1,), 0), ((1, 65536), (1,), 0), ((1,), (1025,), 0), ((1,), (1,), 49153)],
)
def test_the_host_refuses_launches_that_no_device_takes(host, grid, block, shared_bytes):
    with pytest.raises(ValueError, match="no device can run weigh_points"):
        host.kernel("box.cu", "weigh_points")(grid, block, (), shared_bytes=shared_bytes)


def test_the_host_misses_a_barrier_that_a_device_would_miss(host):
    def without_a_barrier(code: str) -> str:
        before, body = code.split("void weigh_points(")
        return "void weigh_points(".join((before, body.replace("BARRIER();", "", 1)))

    given = np.array([0, 8])
    flux, flux_err = np.arange(8.0), np.full(8, 0.5)
    means = []
    for there in (HostDevice(), HostDevice(edit=without_a_barrier)):
        points, scales = np.zeros(16, np.int64), np.zeros(4, np.int64)
        there.kernel("box.cu", "weigh_points")(
            (1,), (4,), (flux, flux_err, given, points, scales), shared_bytes=64
        )
        means.append(scales.view(np.float64)[0])
    assert means[0] == 3.5
    assert means[1] != 3.5
