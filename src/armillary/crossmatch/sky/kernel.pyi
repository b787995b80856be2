import numpy as np

STAR: np.dtype

class Zones:
    lowest: float
    zones_per_degree: float
    n_zones: int
    def __init__(
        self,
        stars: np.ndarray,
        start: np.ndarray,
        table_start: np.ndarray,
        lowest: float,
        zones_per_degree: float,
        radius: np.ndarray,
    ) -> None: ...
    def sort(self, first: int, last: int, k: int) -> None: ...

def count_zones(
    dec: np.ndarray,
    first: int,
    last: int,
    lowest: float,
    zones_per_degree: float,
    count: np.ndarray,
) -> None: ...
def fill_zones(
    ra: np.ndarray,
    dec: np.ndarray,
    first: int,
    last: int,
    lowest: float,
    zones_per_degree: float,
    slot: np.ndarray,
    stars: np.ndarray,
) -> None: ...
def search(
    zones: Zones,
    left: np.ndarray,
    first: int,
    last: int,
    radius: np.ndarray,
    largest_right_radius: float,
    min_radius: float,
    k: int,
    with_itself: bool,
    enough: int,
) -> tuple[int, np.ndarray, np.ndarray, np.ndarray]: ...
def count_matches(left: np.ndarray, count: np.ndarray) -> None: ...
def place_matches(
    left: np.ndarray,
    right: np.ndarray,
    separations: np.ndarray,
    slot: np.ndarray,
    all_left: np.ndarray,
    all_right: np.ndarray,
    all_separations: np.ndarray,
) -> None: ...
