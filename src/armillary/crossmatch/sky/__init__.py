"""Matching two catalogues that are in memory."""
