"""A store in a folder, which lasts and which processes share."""
