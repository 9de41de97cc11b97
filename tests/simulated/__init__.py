"""Workers and clients of all five protocols, speaking nothing but HTTP: what crosses protocols is tested with them."""
