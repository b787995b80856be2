"""A folder that is being filled, converted as it fills; what is done survives any end."""
