"""Elliptical isophotes: geometry, fits, and what comes of them."""
