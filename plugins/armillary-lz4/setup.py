"""The compiled kernel of armillary-lz4; everything else is in pyproject.toml."""

import os

from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

DEBUG = os.environ.get("ARMILLARY_CYTHON_DEBUG", "0").lower() not in ("", "0", "false", "no", "off")

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

# Nothing of the builder's own processor: what is built here runs elsewhere. Loops whose steps
# depend on each other, which cannot be vectorised, gain a fifth to a third by unrolling.
UNIX_FLAGS = ["-O3", "-funroll-loops", "-fvisibility=hidden"]
MSVC_FLAGS = ["/O2"]

KERNEL = "src/armillary_lz4/kernel.pyx"


class BuildKernel(build_ext):
    """Choose the flags when the compiler is known."""

    def build_extensions(self):
        msvc = self.compiler.compiler_type == "msvc"
        for extension in self.extensions:
            extension.extra_compile_args = MSVC_FLAGS if msvc else UNIX_FLAGS
        super().build_extensions()


setup(
    ext_modules=cythonize(
        [Extension("armillary_lz4.kernel", [KERNEL], depends=["setup.py"])],
        compiler_directives=DIRECTIVES,
        build_dir="build/cython-debug" if DEBUG else "build/cython",
    ),
    cmdclass={"build_ext": BuildKernel},
)
