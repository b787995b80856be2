"""``python -m armillary``, the same as the command ``armillary``."""

from .cli.main import main

main()
