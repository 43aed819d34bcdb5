"""The store remembers: the only floor that knows SQL.

Nothing here decides. Functions are called `load_*`, `list_*`, `count_*` and `write_*`;
rows come and go as plain tuples and slotted values.
"""
