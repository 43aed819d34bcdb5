"""Memory: what a process needs at most to take in a million lines, and to audit them.

Each is a process of its own; its peak is what the kernel says (VmHWM: what getrusage says also
counts the parent that a process was made from).
"""

from __future__ import annotations

import datetime as dt
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from gongyi_bank.bank import Bank
from gongyi_bank.store.takeover import refresh_statistics
from gongyi_bank.takeover import found_for_story, open_story, take_over_story
from tests.bench.figures import Figure, shown
from tests.bench.stand import Stand
from tests.bench.workload import NOW, Workload, as_rows, service
from tests.district import SHANGHAI

TITLE = "Memory"
AIM_MB = 200
_ROWS_A_CALL = 5000
_REFRESHED_EVERY = 20 * _ROWS_A_CALL


def measure(stand: Stand) -> Iterator[Figure]:
    """Import by calls and verify; takeover from files and verify. With --full: 10⁶ lines."""
    if not stand.is_full:
        stand.notes.append("Memory at 10⁶ lines is measured with --full only.")
        return
    lines = 1_000_000
    for engine in ("PostgreSQL", "SQLite"):
        with stand.database(engine) as url:
            Workload(url, 10_000).close()
            yield _figure("bulk import", engine, "record_many", url, lines)
            yield _figure("verify()", engine, "verify", url, lines)
    with stand.database("PostgreSQL") as url:
        folder = stand.folder / "story"
        write_story(folder, lines)
        yield _figure("takeover from files", "PostgreSQL", "takeover", url, lines, folder)


def _figure(
    work: str, engine: str, task: str, url: str, lines: int, folder: Path | None = None
) -> Figure:
    command = [sys.executable, "-m", __name__, task, url, str(lines), str(folder or "")]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    told = json.loads(done.stdout.splitlines()[-1])
    return Figure(
        f"peak memory of {work}", f"{engine}, {told['lines']:,} lines",
        f"{told['peak_mb']:.0f} MB in {shown(told['seconds'])}",
        f"{told['idle_mb']:.0f} MB before the first line", "", f"< {AIM_MB} MB",
        told["peak_mb"] < AIM_MB and not told["faults"],
    )  # fmt: skip


# --- in a process of its own ---------------------------------------------------------------


def peak_mb() -> float:
    """The most that this process has held so far."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(x for x in status.read_text().splitlines() if x.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def record_many(url: str, lines: int, _: Path) -> tuple[float, int, int]:
    """Import services through the desk, so many a call."""
    bank = Bank.open(url, staff="admin", clock=lambda: NOW, unsafe_settings="allow")
    with bank.engine.connect() as connection:
        accounts = (
            connection.exec_driver_sql("SELECT account_no FROM gb_account_head").scalars().all()
        )
    idle = peak_mb()
    for first in range(0, lines, _ROWS_A_CALL):
        rows = as_rows([
            service(accounts[n % len(accounts)], n // len(accounts), f"N{n}")
            for n in range(first, min(first + _ROWS_A_CALL, lines))
        ])  # fmt: skip
        bank.hours.record_many(rows=rows)
        if first % _REFRESHED_EVERY == 0:  # as a server does by itself, and the one here does not
            refresh_statistics(bank.engine)
    return idle, lines, 0


def verify(url: str, _: int, __: Path) -> tuple[float, int, int]:
    """Audit everything."""
    bank = Bank.open(url, staff="admin", clock=lambda: NOW, unsafe_settings="allow")
    idle = peak_mb()
    found = bank.verify()
    return idle, found.counts["lines"], len(found.faults)


def takeover(url: str, _: int, folder: Path) -> tuple[float, int, int]:
    """Take a district's files over."""
    story = open_story(folder)
    bank = found_for_story(url, story, unsafe_settings="allow")
    idle = peak_mb()
    report = take_over_story(bank, story)
    taken = sum(month.services.taken for month in report.months)
    return idle, taken, sum(len(month.services.problems) for month in report.months)


def write_story(folder: Path, lines: int) -> None:
    """A district of one savings branch, with so many services in one month."""
    folder.mkdir()
    customers = lines // 100
    files: dict[str, Iterator[str]] = {
        "outlets.csv": iter([
            "code,name,tier,parent_code,setting", "H,雁江区公益银行总行,head_office,,urban",
            "B01,莲花分行,branch,H,urban", "B01S01,莲花团结社区储蓄所,savings_branch,B01,urban",
        ]),
        "partner_stores.csv": iter(["code,name,kind,recruited_by,joined_on",
                                    "P001,幸福超市,幸福超市,B01S01,2022-07-13"]),
        "offers.csv": iter(["store_code,sku,name,points,stock", "P001,P001-01,理发券,5.00,50"]),
        "tariff.csv": iter(["category,name,points_per_hour", "elder_care,关爱老人,1.50"]),
        "customers.csv": _customers(customers),
        "opening_2022-09-30.csv": iter(["customer_ref,minutes,points,as_of",
                                        "C000000,60,1.50,2022-09-30"]),
        "services_2022-10.csv": _services(lines, customers),
        "redemptions_2022-10.csv": iter(["ref,customer_ref,store_code,sku,quantity,redeemed_on"]),
    }  # fmt: skip
    for name, rows in files.items():
        with (folder / name).open("w", encoding="utf-8") as file:
            file.writelines(f"{row}\n" for row in rows)


def _customers(count: int) -> Iterator[str]:
    yield "ref,name,kind,outlet_code,registered_on,birth_on,id_no,phone"
    for number in range(count):
        yield f"C{number:06},雷敏英,volunteer,B01S01,2021-06-18,1951-05-31,,"


def _services(lines: int, customers: int) -> Iterator[str]:
    yield ("ref,customer_ref,outlet_code,project,category,started_at,ended_at,client_rating,"
           "recorded_by,checked_by")  # fmt: skip
    for number in range(lines):
        turn, who = divmod(number, customers)
        day, slot = divmod(turn, 4)
        start = dt.datetime(2022, 10, 1 + day, 8, tzinfo=SHANGHAI) + slot * dt.timedelta(hours=1)
        end = start + dt.timedelta(minutes=30)
        yield (f"S{number:07},C{who:06},B01S01,B01S01-P1,elder_care,{start:%Y-%m-%dT%H:%M},"
               f"{end:%Y-%m-%dT%H:%M},5,TB01S01-1,KB01-1")  # fmt: skip


TASKS: dict[str, Callable[[str, int, Path], tuple[float, int, int]]] = {
    "record_many": record_many, "verify": verify, "takeover": takeover,
}  # fmt: skip


def main() -> None:
    """One task; what it took as a line of JSON."""
    task, url, lines, folder = sys.argv[1:]
    begin = time.perf_counter()
    idle, counted, faults = TASKS[task](url, int(lines), Path(folder))
    seconds = time.perf_counter() - begin
    print(json.dumps({"idle_mb": idle, "peak_mb": peak_mb(), "seconds": seconds,
                      "lines": counted, "faults": faults}))  # fmt: skip


if __name__ == "__main__":
    main()
