"""Deterministic simulation: many clients of one bank, one at a time, in an order a seed decides.

Each client is a greenlet with a handle, a pool and connections of its own, as a process would have
them. Before every statement and every COMMIT the scheduler decides who goes on, and whether the
statement fails before it is run, after it, or with the client. Nothing of the library is changed:
failures come from the driver's connection that it is given. The same seed gives the same history.

    python -m tests.simulation --seed 7 --acts 2000

`wire` fails statements, `requests` makes acts from chance, `handles` are what clients work through,
`clients` live, `reading` is what they read, `mirror` is the reference bank that says what the books
must hold, `world` schedules, audits and keeps the history, `planted` are faults that must be found,
`seeds` those that once were, `test_found` the smallest examples of them.
"""
