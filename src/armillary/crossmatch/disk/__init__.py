"""Matching catalogues that are files, larger than memory."""
