"""django-hordak as its users use it: Account.transfer_to, and bulk_create as in its own benchmark.

Runs in the peer's environment: `python -P hordak.py URL`. Told "single 1" or "bulk 1000" on a
line, it does so and answers with the seconds as JSON.
"""

from __future__ import annotations

import itertools
import json
import sys
import time
from importlib.metadata import version
from urllib.parse import parse_qs, unquote, urlsplit

import django
from django.conf import settings

ACCOUNTS = 2000


def database(url: str) -> dict[str, object]:
    """Django's settings for a URL."""
    parts = urlsplit(url)
    query = parse_qs(parts.query)
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": parts.path.lstrip("/"),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": query.get("host", [parts.hostname or ""])[0],
        "PORT": query.get("port", [parts.port or ""])[0],
        "CONN_MAX_AGE": None,
    }


settings.configure(
    DATABASES={"default": database(sys.argv[1])},
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "mptt", "hordak"],
    USE_TZ=True,
    SECRET_KEY="bench",
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    DEFAULT_CURRENCY="EUR",
    CURRENCIES=["EUR"],
)
django.setup()

from django.core.management import call_command  # noqa: E402
from django.db import transaction as db_transaction  # noqa: E402
from hordak.models import Account, AccountType, Leg, Transaction  # noqa: E402
from moneyed import Money  # noqa: E402

call_command("migrate", verbosity=0)


def opened() -> tuple[Account, list[Account]]:
    """The account that points come from, and the customers'."""
    issued = Account.objects.create(name="issued", code="1", type=AccountType.income)
    new = [
        Account(name=f"customer {number}", type=AccountType.liability, lft=1, rght=2, level=0,
                tree_id=number + 2)
        for number in range(ACCOUNTS)
    ]  # fmt: skip
    Account.objects.bulk_create(new)
    return issued, list(Account.objects.filter(type=AccountType.liability))


ISSUED, CUSTOMERS = opened()
NEXT = itertools.cycle(CUSTOMERS)
AMOUNT = Money("0.50", "EUR")


def single(_: int) -> None:
    """One transaction with two legs."""
    ISSUED.transfer_to(next(NEXT), AMOUNT, description="service")


def bulk(count: int) -> None:
    """Many at once, as hordak's own command create_benchmark_transactions does."""
    transactions, legs = [], []
    for _ in range(count):
        made = Transaction(description="service")
        transactions.append(made)
        legs.append(Leg(transaction=made, account=ISSUED, debit=AMOUNT))
        legs.append(Leg(transaction=made, account=next(NEXT), credit=AMOUNT))
    with db_transaction.atomic():
        Transaction.objects.bulk_create(transactions)
        Leg.objects.bulk_create(legs)


def journal(count: int) -> None:
    """Many at once as one transaction with a leg for each, as one voucher has many lines."""
    made = Transaction(description="services")
    legs = [Leg(transaction=made, account=ISSUED, debit=AMOUNT * count)]
    legs += [Leg(transaction=made, account=next(NEXT), credit=AMOUNT) for _ in range(count)]
    with db_transaction.atomic():
        made.save()
        Leg.objects.bulk_create(legs)


def main() -> None:
    """Say what this is; then act when told."""
    versions = {name: version(name) for name in ("django-hordak", "django", "psycopg")}
    print(json.dumps({"versions": versions}), flush=True)
    for line in sys.stdin:
        name, count = line.split()
        act = {"single": single, "bulk": bulk, "journal": journal}[name]
        begin = time.perf_counter()
        act(int(count))
        print(json.dumps({"seconds": time.perf_counter() - begin}), flush=True)


if __name__ == "__main__":
    main()
