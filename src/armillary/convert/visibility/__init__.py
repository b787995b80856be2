"""Visibilities of radio interferometers, from files to files."""
