"""Receipts about outlets, staff and policies."""

from __future__ import annotations

import datetime as dt

from gongyi_bank.receipts.base import Receipt


class OutletsOpened(Receipt):
    """Outlets were opened."""

    codes: tuple[str, ...]
    """Their codes, as given."""
    outlet_nos: tuple[int, ...]
    """Their numbers, with which account numbers begin."""


class OutletChanged(Receipt):
    """An outlet was renamed, moved, closed or reopened."""

    code: str
    """The outlet."""
    name: str
    """Its name now."""
    parent: str | None
    """The code of the outlet above it now."""
    state: str
    """`open` or `closed`."""


class StaffAppointed(Receipt):
    """People have roles."""

    codes: tuple[str, ...]
    """The staff codes whose roles are new; those that held the role already are not here."""


class RoleEnded(Receipt):
    """A role ended."""

    code: str
    """The person's staff code."""
    role: str
    """The role."""


class PolicyAdopted(Receipt):
    """A policy was adopted."""

    kind: str
    """Its kind, e.g. `tariff`."""
    policy_id: int
    """What decisions under it cite."""
    effective_on: dt.date
    """The first day on which it holds."""
