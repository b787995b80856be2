"""The compiled kernels of armillary; everything else is in pyproject.toml."""

import os
import platform
import sys
import sysconfig
from pathlib import Path

import Cython
from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build import build
from setuptools.command.build_ext import build_ext

PACKAGE = Path("src/armillary")
DEBUG = os.environ.get("ARMILLARY_CYTHON_DEBUG", "0").lower() not in ("", "0", "false", "no", "off")
X86 = platform.machine().lower() in ("x86_64", "amd64")
# A universal build for macOS compiles one source for two processors: baseline only.
UNIVERSAL = "universal2" in sysconfig.get_platform()

DIRECTIVES = {
    "language_level": 3,
    "binding": True,
    "embedsignature": True,
    "boundscheck": DEBUG,
    "wraparound": False,
    "initializedcheck": DEBUG,
    "nonecheck": DEBUG,
    "cdivision": True,
    "freethreading_compatible": True,
}

# No contraction: variants must agree in every bit. No -ffast-math: it deletes NaN
# tests and flushes denormals in the whole process. Nothing of the builder's own
# processor: what is built here runs elsewhere.
UNIX_FLAGS = ["-O3", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math"]
UNIX_FLAGS += ["-fvisibility=hidden"]
MSVC_FLAGS = ["/O2", "/fp:precise"]
#: Variant -> (suffix of its module, flags for Unix compilers, flags for MSVC).
VARIANTS = {"baseline": ("", [], []), "v3": ("_v3", ["-mavx2", "-mfma"], ["/arch:AVX2"])}


def wanted(variant):
    return variant == "baseline" or (X86 and not UNIVERSAL)


#: What Cython's memoryviews need, compiled once for all kernels; cythonize writes its source.
SHARED = Extension("armillary._cyutility", [str(PACKAGE / "_cyutility.c")])
#: Source below PACKAGE -> its variants. Named one by one, so that none can be missing.
KERNELS = {
    "cache/disk/mapping": ("baseline",),
    "search/box/kernel": ("baseline", "v3"),
    "search/box/unbinned": ("baseline",),
    "search/template/kernel": ("baseline",),
    "convert/visibility/chunks": ("baseline",),
    "convert/visibility/kernel": ("baseline",),
    "crossmatch/catalog/kernel": ("baseline",),
    "crossmatch/disk/healpix": ("baseline",),
    "crossmatch/sky/kernel": ("baseline",),
    "fit/model_image/kernel": ("baseline",),
    "fit/isophote/kernel": ("baseline", "v3"),
}


def extensions():
    """One extension for each variant of each kernel that this platform can build."""
    for kernel, variants in KERNELS.items():
        for variant in filter(wanted, variants):
            source = PACKAGE / f"{kernel}{VARIANTS[variant][0]}.pyx"
            name = ".".join(source.with_suffix("").relative_to("src").parts)
            # A variant includes the source of the baseline; the flags are in this file.
            headers = map(str, (PACKAGE / kernel).parent.glob("*.pxd"))
            depends = [str(PACKAGE / f"{kernel}.pyx"), *headers, "setup.py"]
            yield Extension(name, [str(source)], depends=depends), variant


class Build(build):
    """Keep the objects of debug builds apart: both kinds have the same names."""

    def finalize_options(self):
        if DEBUG:
            self.build_base = "build/with-checks"
        super().finalize_options()


class BuildKernels(build_ext):
    """Choose the flags when the compiler is known, and write down what was used."""

    def initialize_options(self):
        super().initialize_options()
        self.parallel = os.cpu_count()

    def build_extensions(self):
        msvc = self.compiler.compiler_type == "msvc"
        self.flags = MSVC_FLAGS if msvc else UNIX_FLAGS
        for extension in self.extensions:
            _, unix, microsoft = VARIANTS[VARIANT_OF[extension.name]]
            extension.extra_compile_args = self.flags + (microsoft if msvc else unix)
        super().build_extensions()

    def run(self):
        super().run()
        # Only here does setuptools say again whether the build is in place.
        in_place = self.inplace or getattr(self, "editable_mode", False)
        root = PACKAGE if in_place else Path(self.build_lib) / "armillary"
        root.mkdir(parents=True, exist_ok=True)
        (root / "_build_info.py").write_text(self.build_information())

    def build_information(self):
        compiler = getattr(self.compiler, "compiler_so", None) or [self.compiler.compiler_type]
        lines = [
            '"""How the kernels were built; written by setup.py."""',
            "",
            f"COMPILER = {' '.join(compiler[:1])!r}",
            f"FLAGS = {tuple(self.flags)!r}",
            f"VARIANTS = {tuple(sorted(set(VARIANT_OF.values())))!r}",
            f"CYTHON = {Cython.__version__!r}",
            f"PYTHON = {sys.version.split()[0]!r}",
            f"DEBUG = {DEBUG!r}",
            "",
        ]
        return "\n".join(lines)


PAIRS = list(extensions())
VARIANT_OF = {SHARED.name: "baseline"} | {extension.name: variant for extension, variant in PAIRS}

setup(
    ext_modules=cythonize(
        [SHARED, *(extension for extension, _ in PAIRS)],
        compiler_directives=DIRECTIVES,
        shared_utility_qualified_name=SHARED.name,
        include_path=["src"],
        build_dir="build/cython-debug" if DEBUG else "build/cython",
    ),
    cmdclass={"build": Build, "build_ext": BuildKernels},
)
