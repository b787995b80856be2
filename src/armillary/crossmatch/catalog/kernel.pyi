import numpy as np

def inspect(ra: np.ndarray, dec: np.ndarray, first: int, last: int) -> tuple[int, int, int]: ...
def move(
    ra: np.ndarray,
    dec: np.ndarray,
    pm_ra_cosdec: np.ndarray,
    pm_dec: np.ndarray,
    years: np.ndarray,
    first: int,
    last: int,
    new_ra: np.ndarray,
    new_dec: np.ndarray,
    new_pm_ra_cosdec: np.ndarray,
    new_pm_dec: np.ndarray,
) -> None: ...
