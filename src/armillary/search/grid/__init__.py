"""The star, and the periods and durations that a search tries."""
