"""How the farm's nouns lie in the table: every key (`keys.py`), item <-> model (`*_items.py`), and one method per
access pattern, grouped by noun. Built on the `Table` port alone, so it is the same on every engine."""
