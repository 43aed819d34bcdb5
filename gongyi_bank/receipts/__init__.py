"""Receipts: what acts did, one class per kind of answer, one file per noun."""
