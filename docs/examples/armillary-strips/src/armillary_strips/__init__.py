"""The nearest on the sky by strips of declination, as a backend of armillary."""
