"""Catalogues: what they hold, how they are recognised, and how their stars move."""
