"""Measurements of the farm (`./millrace bench`): rates, times, table requests, beside the targets they are held to.

`__main__.py` runs them; each module of `BENCHES` there measures one thing and yields `Figure`s and `Curve`s.
Nothing here fails on time: a target that is missed is a line in the table.
"""
