from typing import Any

import numpy as np

ROW: np.dtype[Any]

class Photometer:
    def __init__(self, image: np.ndarray, variance: np.ndarray | None, **options: Any) -> None: ...
    def table(self) -> np.ndarray: ...
    def advance(self, budget: int) -> bool: ...

class ForcedPhotometry(Photometer):
    def begin(self, ellipses: np.ndarray) -> None: ...

class Fitter(Photometer):
    def begin(
        self,
        x0: float,
        y0: float,
        sma: float,
        ellipticity: float,
        position_angle: float,
        **options: Any,
    ) -> None: ...
