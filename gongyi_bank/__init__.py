"""Placeholder: the lead writes this module."""
