"""Threads, blocks, progress and CPU variants: what drives every compiled kernel."""
