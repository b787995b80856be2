# The kernel compiled for x86-64-v3 processors; setup.py gives the flags.
include "kernel.pyx"
