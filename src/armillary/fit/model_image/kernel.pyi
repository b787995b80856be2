import numpy as np

N_COLUMNS: int

def draw(
    ellipses: np.ndarray,
    amplitudes: np.ndarray,
    place: np.ndarray,
    last_row: np.ndarray,
    reach: np.ndarray,
    fill: float,
    first: int,
    last: int,
    model: np.ndarray,
) -> None: ...
