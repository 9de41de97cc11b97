"""The edge: where HTTP becomes values and values become HTTP, once, for every room."""
