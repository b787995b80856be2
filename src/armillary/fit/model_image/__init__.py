"""The model image of fitted isophotes."""
