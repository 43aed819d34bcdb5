"""What every test may use: engines to run on, hypothesis profiles, and the rule against skips.

`HYPOTHESIS_PROFILE=nightly pytest` searches long; `pytest --no-skips` (always on where CI=true)
makes a skipped test a failed one.
"""

import gc
import os
import shutil
import subprocess
import sys
from collections.abc import Generator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import settings
from sqlalchemy.exc import OperationalError

from tests import mariadb
from tests.district import District
from tests.faults.loop_disk import NO_LOOP_DEVICE
from tests.mariadb import MariadbServer
from tests.mysqld import MariadbMissing
from tests.postgresql import PostgresqlServer, running_server
from tests.sqlite import SqliteFiles

CI = os.environ.get("CI", "").lower() in {"1", "true", "yes"}

Report = TypeVar("Report", pytest.TestReport, pytest.CollectReport)

#: The big story's data lie beside the repository; a copy of the repository alone has none.
BIG_STORY = Path(__file__).parents[1].parent / "shared" / "story"
NO_BIG_STORY = "the big story's data are not beside the repository (../shared/story)"

NO_SHIM = "there is no C compiler for the shim, or no LD_PRELOAD"

#: Reasons for which a test may be skipped even under --no-skips: exact texts, with a comment each.
ALLOWED_SKIPS: frozenset[str] = frozenset(
    [
        *([] if BIG_STORY.is_dir() else [NO_BIG_STORY]),
        # `.ci/run` says so, loudly, where Debian's packages cannot be installed.
        *([mariadb.ABSENT] if os.environ.get("GONGYI_BANK_TEST_WITHOUT_MARIADB") else []),
        # The shim of tests/faults/io_points.py is compiled for Linux's LD_PRELOAD.
        *([] if shutil.which("cc") and sys.platform == "linux" else [NO_SHIM]),
        # Whether this machine lets us mount and freeze a disk is tried out, not guessed.
        NO_LOOP_DEVICE,
    ]
)

# ---------------------------------------------------------------- hypothesis

settings.register_profile("modest", max_examples=30, deadline=None)
settings.register_profile("ci", max_examples=100, deadline=None, derandomize=True, print_blob=True)
settings.register_profile("nightly", max_examples=5_000, deadline=None, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if CI else "modest"))


# ---------------------------------------------------------------- engines


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[PostgresqlServer]:
    """One real server per test process, started when the first test asks for it."""
    with ExitStack() as stack:
        try:
            server = stack.enter_context(running_server(in_memory=True))
        except (
            ImportError,
            OSError,
            RuntimeError,
            AssertionError,
            subprocess.SubprocessError,
            OperationalError,
        ) as error:
            pytest.skip(f"PostgreSQL did not start: {type(error).__name__}: {error}")
        yield server


@pytest.fixture(scope="session")
def mariadb_server() -> Iterator[MariadbServer]:
    """One real server per test process, started when the first test asks for it."""
    with ExitStack() as stack:
        try:
            server = stack.enter_context(mariadb.running_server())
        except MariadbMissing:
            pytest.skip(mariadb.ABSENT)
        except (ImportError, OSError, subprocess.SubprocessError, OperationalError) as error:
            pytest.skip(f"MariaDB did not start: {type(error).__name__}: {error}")
        yield server


@pytest.fixture(scope="session")
def sqlite_server() -> SqliteFiles:
    """Files; not a server, but asked for databases like one."""
    return SqliteFiles()


@pytest.fixture
def sqlite_url(sqlite_server: SqliteFiles) -> Iterator[str]:
    """A SQLite file of the test's own, not there yet."""
    with sqlite_server.fresh_database() as url:
        yield url


@pytest.fixture
def sqlite_tables_url(sqlite_server: SqliteFiles) -> Iterator[str]:
    """A SQLite file with our tables and no rows."""
    with sqlite_server.database_with_tables() as url:
        yield url


@pytest.fixture
def sqlite_district_url(sqlite_server: SqliteFiles) -> Iterator[str]:
    """A SQLite file with a founded district."""
    with sqlite_server.database_with_district() as url:
        yield url


@pytest.fixture
def postgresql_url(postgresql_server: PostgresqlServer) -> Iterator[str]:
    """An empty PostgreSQL database of the test's own."""
    with postgresql_server.fresh_database() as url:
        yield url


@pytest.fixture
def postgresql_tables_url(postgresql_server: PostgresqlServer) -> Iterator[str]:
    """A PostgreSQL database with our tables and no rows."""
    with postgresql_server.database_with_tables() as url:
        yield url


@pytest.fixture
def postgresql_district_url(postgresql_server: PostgresqlServer) -> Iterator[str]:
    """A PostgreSQL database with a founded district."""
    with postgresql_server.database_with_district() as url:
        yield url


@pytest.fixture
def mariadb_url(mariadb_server: MariadbServer) -> Iterator[str]:
    """An empty MariaDB database of the test's own."""
    with mariadb_server.fresh_database() as url:
        yield url


@pytest.fixture
def mariadb_tables_url(mariadb_server: MariadbServer) -> Iterator[str]:
    """A MariaDB database with our tables and no rows: making them costs more than emptying them."""
    with mariadb_server.database_with_tables() as url:
        yield url


@pytest.fixture
def mariadb_district_url(mariadb_server: MariadbServer) -> Iterator[str]:
    """A MariaDB database with a founded district."""
    with mariadb_server.database_with_district() as url:
        yield url


#: What every run asks of MariaDB too; the rest of the suite asks it among the slow tests.
MARIADB_ALWAYS = frozenset(
    "test_closings test_engines test_expiry test_holds test_hours test_kills test_mysql test_outbox"
    " test_points test_redemptions test_refunds test_reversals test_several_vouchers"
    " test_statement_counts test_statements test_transfers test_verification".split()
)


#: Files that take longest, longest first. A file goes to one worker as a whole (`--dist loadfile`),
#: and one that is begun last keeps the others waiting; by `pytest --durations`, slow tests too.
LONGEST_FIRST = (
    "test_tampering test_bank_test test_machine test_redemptions test_isolation test_migrations"
    " test_main test_simulation test_story test_loop_power_cut test_io_points test_gate"
    " test_every_act_at_once test_aio test_commit test_races test_verification"
).split()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put long files first, and mark what the third engine runs only in the long form."""
    places = {name: place for place, name in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: places.get(item.path.stem, len(places)))
    for item in items:
        callspec = getattr(item, "callspec", None)
        is_long = item.path.stem not in MARIADB_ALWAYS
        if is_long and callspec is not None and "mariadb" in callspec.params.values():
            item.add_marker(pytest.mark.slow)


def pytest_collection_finish() -> None:
    """Leave what was imported and collected alone: looking for garbage in it takes a twentieth."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


@pytest.fixture(params=["sqlite", "postgresql", "mariadb"])
def empty_url(request: pytest.FixtureRequest) -> str:
    """An empty database; the test runs once on each engine."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture(params=["sqlite", "postgresql", "mariadb"])
def engine_url(request: pytest.FixtureRequest) -> str:
    """Our tables without a bank; the test runs once on each engine."""
    url: str = request.getfixturevalue(f"{request.param}_tables_url")
    return url


@pytest.fixture(params=["sqlite", "postgresql"])
def async_empty_url(request: pytest.FixtureRequest) -> str:
    """An empty database; the test runs once on each engine that has an asynchronous driver."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture(params=["sqlite", "postgresql"])
def async_engine_url(request: pytest.FixtureRequest) -> str:
    """Our tables without a bank; once on each engine that has an asynchronous driver."""
    url: str = request.getfixturevalue(f"{request.param}_tables_url")
    return url


@pytest.fixture(params=["sqlite", "postgresql", "mariadb"])
def district(request: pytest.FixtureRequest) -> Iterator[District]:
    """A founded bank with outlets and staff, on each engine: a copy of one founded before."""
    made = District(request.getfixturevalue(f"{request.param}_district_url"), is_founded=True)
    yield made
    made.close()


@pytest.fixture(params=["postgresql", "mariadb"])
def server_district(request: pytest.FixtureRequest) -> Iterator[District]:
    """The same on each server alone: SQLite has one writer and one level of isolation."""
    made = District(request.getfixturevalue(f"{request.param}_district_url"), is_founded=True)
    yield made
    made.close()


@pytest.fixture
def sqlite_district(sqlite_district_url: str) -> Iterator[District]:
    """The same on SQLite alone, for what cannot differ between engines."""
    made = District(sqlite_district_url, is_founded=True)
    yield made
    made.close()


@pytest.fixture
def anyio_backend() -> str:
    """Async tests run on asyncio, the only loop that SQLAlchemy knows."""
    return "asyncio"


# ---------------------------------------------------------------- no skips


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--no-skips",
        action="store_true",
        default=CI,
        help="fail where a test is skipped for a reason that is not in ALLOWED_SKIPS",
    )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    return _without_skip((yield), item.config)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    return _without_skip((yield), collector.config)


def _without_skip(report: Report, config: pytest.Config) -> Report:
    """Turn a skip into a failure; an expected failure (xfail) is none."""
    if report.skipped and not hasattr(report, "wasxfail") and config.getoption("no_skips"):
        place_and_reason = report.longrepr
        assert isinstance(place_and_reason, tuple)
        reason = place_and_reason[2].removeprefix("Skipped: ")
        if reason not in ALLOWED_SKIPS:
            report.outcome = "failed"
            report.longrepr = (
                f"{report.nodeid} was skipped: {reason}\n"
                "Skips fail here (--no-skips): make the test run, or name the reason in "
                "ALLOWED_SKIPS of tests/conftest.py."
            )
    return report
