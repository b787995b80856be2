import numpy as np

FLAT_BEYOND: float

def scores(
    time: np.ndarray,
    weight: np.ndarray,
    signal: np.ndarray,
    total: float,
    least: float,
    mean: float,
    period: np.ndarray,
    t0: np.ndarray,
    duration: np.ndarray,
    sharpness: float,
    begin: int,
    stop: int,
    score: np.ndarray,
    depth: np.ndarray,
    depth_err: np.ndarray,
    level: np.ndarray,
    gradient: np.ndarray,
    attribution: np.ndarray,
) -> None: ...
