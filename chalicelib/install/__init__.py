"""How a machine gets the worker from the farm itself: `GET /install`. Nothing here is a secret."""
