"""The conformance suite of the engines: point it at your own database, engine or pool.

One fixture is overridden; what comes back is a list of named tests, from founding to the audit.

    from gongyi_bank.testing import EngineConformance

    class TestOurEngine(EngineConformance):
        @pytest.fixture
        def database(self):
            return create_engine(OUR_URL, pool_size=5)

Each test founds a bank of its own with a name of its own, so any database that may be written to
does, also one that other banks live in; the tables are made where they are missing.
"""

from __future__ import annotations

import pytest

# Before the modules are loaded, so that a failure shows both sides.
pytest.register_assert_rewrite(
    *(f"{__name__}.{part}" for part in ("founding", "life", "posting", "refusals", "transactions"))
)

from gongyi_bank.testing.conformance.founding import FoundingTests  # noqa: E402
from gongyi_bank.testing.conformance.life import LifeTests  # noqa: E402
from gongyi_bank.testing.conformance.posting import PostingTests  # noqa: E402
from gongyi_bank.testing.conformance.refusals import RefusalTests  # noqa: E402
from gongyi_bank.testing.conformance.transactions import TransactionTests  # noqa: E402

__all__ = ["EngineConformance"]


class EngineConformance(FoundingTests, PostingTests, TransactionTests, LifeTests, RefusalTests):
    """Derive a class whose name begins with `Test`, and override the fixture `database`.

    It gives a URL (text or SQLAlchemy's) or an engine of your own, for each test anew or always
    the same one. On a test server with unsafe settings (fsync off) say
    `unsafe_settings = "allow"` in the class; the suite then checks that these are told.
    """
