"""Mutants of the posting path: one thing changed at a time, and the tests that must notice.

mutmut makes the mutants; `running.py` runs them. mutmut's own runner collects the tests anew for
each mutant, hands queries that are compiled already on to it, and leaves decorated functions out,
which are all our SQL. It is enough for `gongyi_bank/rules`; for the rest see docs/explanation/
mutation.md. Needs mutmut 3.8.1 in an environment of its own.
"""
