"""The checks of the bank test, C1 to C9: pure functions over a history and the final books.

Each returns what it found wrong, in words; nothing wrong is an empty list. They know nothing of
the library, so that they can judge it.
"""

from __future__ import annotations

import itertools
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from tests.faults.booked import Books, HeadTotals, Line
from tests.faults.held import asked_of_holds, done_otherwise, faults_of_hold, steps_by_voucher
from tests.faults.journal import Attempt, History, Look, Report
from tests.faults.shown import KINDS, Shown

#: Acts of the house and of the library's own steps, which nobody asked for under a key of theirs.
#: They post nothing: no points expire under the policy that the bank begins with.
OWN_STEPS = frozenset({"closings.announce", "closings.drain", "points.expire_due"})
#: Answers that say: it is not in the books.
NOT_BOOKED = frozenset({"refused", "failed", "retry"})
#: Nobody waits longer than this for the next act that is acknowledged to anybody.
GAP_SECONDS_MAX = 10.0


def check_reads(history: History, books: Books) -> list[str]:
    """C1: every read has all accounts, a total of zero with the bank's side, and none below 0.

    And each is of one moment: balances after the newest lines that it shows itself, the lines
    that everybody began with among them, and no voucher's lines in part. The library's own reports
    show what some first lines of each account add up to.
    """
    faults = []
    shown = Shown(history, books)
    for look in history.looks:
        total = sum(look.balances.values()) + look.internal
        if look.balances.keys() != books.heads.keys():
            faults.append(f"a read shows {len(look.balances)} of {len(books.heads)} accounts")
        elif total:
            faults.append(f"a read ({look.kind}) is off by {total} in all")
        faults += _below_zero(look.balances, "a read")
        faults += shown.faults_of_look(look)
    for report in history.reports:
        faults += shown.faults_of(report)
    return faults


def check_final_total(history: History, books: Books) -> list[str]:
    """C2: so it is in the end."""
    balances = {no: head.credited - head.debited for no, head in books.heads.items()}
    total = sum(balances.values()) + books.internal
    off = [f"in the end all accounts together are off by {total}"] if total else []
    return off + _below_zero(balances, "the end")


def _below_zero(balances: Mapping[int, int], where: str) -> list[str]:
    return [f"{where} shows {no} at {units}" for no, units in balances.items() if units < 0]


def check_accounts(history: History, books: Books) -> list[str]:
    """C3: lines numbered without a gap, running totals right, never below zero, as the head.

    And the head holds what the account's open holds keep, each of which is what was done to it.
    """
    faults = [fault for hold in books.holds for fault in faults_of_hold(hold)]
    kept: Counter[int] = Counter()
    for hold in books.holds:
        kept[hold.account] += hold.kept
    by_account: dict[int, list[Line]] = defaultdict(list)
    for line in sorted(books.lines, key=lambda line: (line.account, line.number)):
        by_account[line.account].append(line)
    for account, head in books.heads.items():
        faults += _faults_of_account(account, by_account[account], head)
        if head.held != kept[account]:
            says = f"the head holds {head.held}, and its open holds {kept[account]}"
            faults.append(f"{account}: {says}")
    return faults


def _faults_of_account(account: int, lines: list[Line], head: HeadTotals) -> list[str]:
    faults: list[str] = []
    credited = debited = 0
    for number, line in enumerate(lines, start=1):
        credited += max(line.amount, 0)
        debited -= min(line.amount, 0)
        if line.number != number:
            return [*faults, f"{account} has line {line.number} where {number} should be"]
        if (line.credited_after, line.debited_after) != (credited, debited):
            return [*faults, f"{account}: the totals after line {number} are wrong"]
        if debited > credited:
            faults.append(f"{account} was below zero at line {number}")
    if (head.credited, head.debited, head.line_no) != (credited, debited, len(lines)):
        faults.append(f"{account}: the head is not what the lines add up to")
    return faults


def check_acknowledged(history: History, books: Books) -> list[str]:
    """C4: every acknowledged key is in the books exactly once, with all its lines once.

    And what it was to do to a hold, that it did.
    """
    faults = []
    steps = steps_by_voucher(books)
    by_key = _vouchers_by_key(books)
    lines = _lines_by_voucher(books)
    for key, asked in _acknowledged(history).items():
        found = by_key[key]
        if len(found) != 1:
            faults.append(f"{key} was acknowledged and is in the books {len(found)} times")
            continue
        wanted = Counter(asked.lines)
        if lines[found[0]] != wanted:
            faults.append(f"{key} has the lines {_shown(lines[found[0]])}, not {_shown(wanted)}")
        if otherwise := done_otherwise(asked_of_holds(asked), steps[found[0]]):
            faults.append(f"{key} {otherwise}")
    return faults


def check_asked(history: History, books: Books) -> list[str]:
    """C5: nothing that nobody asked for; every act as it was asked for; no refused one."""
    faults = []
    asked: dict[tuple[str, str, str], Attempt] = {}
    for attempt in history.attempts:
        asked[attempt.key, attempt.act, attempt.digest] = attempt
    lines, steps = _lines_by_voucher(books), steps_by_voucher(books)
    faults += [
        f"hold {hold.name} was {step.kind} by no voucher"
        for voucher_id in steps.keys() - books.vouchers.keys()
        for hold, step in steps[voucher_id]
    ]
    for voucher_id, voucher in books.vouchers.items():
        wish = asked.get((voucher.key or "", voucher.act, voucher.digest))
        wanted = asked_of_holds(wish) if wish else []
        if otherwise := done_otherwise(wanted, steps[voucher_id]):
            faults.append(f"{voucher.act} under {voucher.key} {otherwise}")
        if voucher.act in OWN_STEPS:
            if lines[voucher_id]:
                faults.append(f"nobody asked {voucher.act} to post {_shown(lines[voucher_id])}")
            continue
        if wish is None:
            faults.append(f"nobody asked for {voucher.act} under {voucher.key}")
        elif lines[voucher_id] != Counter(wish.lines):
            faults.append(f"{voucher.key} was to post {_shown(Counter(wish.lines))}")
    faults += _booked_all_the_same(history, books)
    faults += _there_too_early(history, books)
    for line in books.lines:
        is_new = line.number > books.first_lines.get(line.account, 0)
        if is_new and line.voucher not in books.vouchers:
            faults.append(f"line {line.number} of {line.account} has no voucher")
    return faults


def _booked_all_the_same(history: History, books: Books) -> list[str]:
    """What is in the books though every answer to that request said that it is not."""
    told: dict[tuple[str, str], set[str | None]] = defaultdict(set)
    for attempt in history.attempts:
        told[attempt.key, attempt.digest].add(attempt.outcome)
    return [
        f"{voucher.key} was refused each time and is in the books"
        for voucher in books.vouchers.values()
        if told.get((voucher.key or "", voucher.digest), {"ok"}) <= NOT_BOOKED
    ]


def _there_too_early(history: History, books: Books) -> list[str]:
    """What somebody saw when all who had asked for it until then were told that it is not there.

    Whoever asks once more gets the receipt, and nothing else would show that the answers before
    it were wrong. Whoever had an answer of another kind, or none, may have booked it.
    """
    asked: dict[tuple[str, str], list[Attempt]] = defaultdict(list)
    for attempt in history.attempts:
        asked[attempt.key, attempt.digest].append(attempt)
    seen = _first_seen(history)
    faults: set[str] = set()
    for line in books.lines:
        voucher = books.vouchers.get(line.voucher)
        attempts = asked.get((voucher.key or "", voucher.digest)) if voucher else None
        moment = seen(line.account, line.number)
        if voucher is None or attempts is None or moment is None:
            continue
        if {a.outcome for a in attempts if a.started < moment} <= NOT_BOOKED:
            faults.add(f"{voucher.key} was there when all answers had been that it is not")
    return sorted(faults)


def _first_seen(history: History) -> Callable[[int, int], float | None]:
    """Since when somebody has known of a line: of that one or a later one of the account."""
    told = [(a.ended, a.shows) for a in history.attempts if a.outcome == "ok" and a.ended]
    told += [(look.ended, look.lines) for look in history.looks]
    numbers: dict[int, list[int]] = defaultdict(lambda: [0])
    moments: dict[int, list[float]] = defaultdict(lambda: [0.0])
    for moment, shows in sorted(told, key=lambda each: each[0]):
        for account, number in shows.items():
            if number > numbers[account][-1]:
                numbers[account].append(number)
                moments[account].append(moment)

    def seen(account: int, number: int) -> float | None:
        place = bisect_left(numbers[account], number)
        return moments[account][place] if place < len(numbers[account]) else None

    return seen


def check_answers(history: History, books: Books) -> list[str]:
    """C6: all answers for a key are one, the original's; another request is told of it.

    And the line and the balance that an answer tells of are those in the books.
    """
    faults = _lines_told_wrongly(history, books)
    stored = {voucher.key: voucher for voucher in books.vouchers.values()}
    for key, attempts in _by_key(history).items():
        original = stored.get(key)
        for attempt in attempts:
            if original is None and attempt.outcome == "conflict":
                faults.append(f"{key} was told of another request, and nobody has used it")
            if original is None or not attempt.is_settled:
                continue
            is_same = attempt.digest == original.digest
            if attempt.outcome == "conflict" and is_same:
                faults.append(f"{key} was told of another request, and it is the same")
            elif attempt.outcome == "ok" and not is_same:
                faults.append(f"{key} was acknowledged for another request than the books have")
            elif attempt.outcome == "ok" and attempt.receipt != original.receipt:
                faults.append(f"{key} was answered in two ways")
        faults += _refused_afterwards(key, attempts)
    return faults


def _lines_told_wrongly(history: History, books: Books) -> list[str]:
    """Receipts whose line is not theirs, or did not leave that balance; or no line of all did."""
    lines = {(line.account, line.number): line for line in books.lines}
    left = {(line.account, line.balance_after) for line in books.lines}
    faults = []
    for attempt in history.attempts:
        for account, units in attempt.balances.items():
            number = attempt.shows.get(account)
            line = lines.get((account, number)) if number else None
            voucher = books.vouchers.get(line.voucher) if line else None
            told = f"{attempt.key} was told of {units} on {account}"
            if number is None and (account, units) not in left:
                faults.append(f"{told}, which it never had")
            elif number and (line is None or units != line.balance_after):
                faults.append(f"{told} after line {number}, which left another balance")
            elif number and (voucher is None or voucher.key != attempt.key):
                faults.append(f"{told} after line {number}, which is of another act")
    return faults


def _refused_afterwards(key: str, attempts: list[Attempt]) -> list[str]:
    """Whoever is late with an acknowledged act must get its receipt, whatever has changed since."""
    told = [a.ended for a in attempts if a.outcome == "ok" and a.ended is not None]
    late = [a for a in attempts if a.outcome == "refused" and told and a.started > min(told)]
    return [f"{key} was refused after it had been acknowledged ({a.code})" for a in late]


def check_visible(history: History, books: Books) -> list[str]:
    """C7: a read begun after an acknowledgement shows at least the lines that it told of."""
    faults: list[str] = []
    shown = Shown(history, books)
    for reading, newest in _with_told(history):
        if isinstance(reading, Report):
            if not shown.faults_of(reading):  # else C1 says so
                told = {account: number for account, (number, _) in newest.items()}
                faults += shown.faults_behind(reading, told)
            continue
        for account, (number, key) in newest.items():
            if reading.lines.get(account, 0) < number:
                faults.append(f"a read does not show line {number} of {account}, told for {key}")
    return faults


def _with_told(
    history: History,
) -> Iterator[tuple[Look | Report, dict[int, tuple[int, str]]]]:
    """Every reading, with the newest lines (and their keys) that were told of before it began."""
    told = sorted(
        (a.ended, a.key, a.shows) for a in history.attempts if a.outcome == "ok" and a.ended
    )
    newest: dict[int, tuple[int, str]] = {}
    position = 0
    readings: list[Look | Report] = [*history.looks, *history.reports]
    for reading in sorted(readings, key=lambda each: each.started):
        while position < len(told) and told[position][0] < reading.started:
            _, key, shows = told[position]
            for account, number in shows.items():
                newest[account] = max(newest.get(account, (0, "")), (number, key))
            position += 1
        yield reading, newest


CLOSING = "closings.close"
#: What clients ask for besides: if one of these is always refused, the run has not tried it.
ACTS = (
    "holds.capture", "holds.place", "holds.release", "hours.record", "redemptions.redeem",
    "redemptions.refund", "reversals.reverse_line", "transfers.gift",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Counts:
    """How much happened in a run."""

    acknowledged: int
    replays: int
    contended: int
    refused: int
    reads: int
    #: How often the one of the library's own reports was read that was read the least.
    rarest_report: int
    #: How often the act was acknowledged that was so the least, but for closings.
    rarest_act: int
    #: Days that were closed.
    closings: int
    conflicts: int
    #: Submissions of which a client that lives was told that nobody knows what became of them.
    unknown: int
    #: Submissions that a killed client has left behind, without an answer of any kind.
    dangling: int
    #: Submissions that the database has undone: a lost connection, a full disk.
    undone: int
    gap_seconds: float


def count(history: History, *, began: float, ended: float) -> Counts:
    """What happened between two moments; `began` and `ended` count as acknowledgements."""
    told = Counter(a.key for a in history.attempts if a.outcome == "ok")
    moments = [a.ended for a in history.attempts if a.outcome == "ok" and a.ended]
    moments = [began, *sorted(m for m in moments if began < m < ended), ended]
    outcomes = Counter(a.outcome for a in history.attempts)
    reports = Counter(report.kind for report in history.reports)
    acts = Counter(act for act, _ in {(a.act, a.key) for a in history.attempts if a.key in told})
    places = {key: {a.place for a in made} for key, made in _by_key(history).items()}
    return Counts(
        acknowledged=len(told),
        replays=told.total() - len(told),
        contended=sum(len(who) > 1 for who in places.values()),
        refused=outcomes["refused"],
        reads=len(history.looks) + reports.total(),
        rarest_report=min(reports[kind] for kind in KINDS),
        rarest_act=min(acts[act] for act in ACTS),
        closings=acts[CLOSING],
        conflicts=outcomes["conflict"],
        unknown=outcomes["unknown"],
        dangling=outcomes[None],
        undone=outcomes["failed"] + outcomes["retry"],
        gap_seconds=max(b - a for a, b in itertools.pairwise(moments)),
    )


#: The least that must happen in 45 seconds: the mix of the specification, run on two cores.
FLOORS = Counts(
    acknowledged=600, replays=150, contended=100, refused=100, reads=400, rarest_report=15,
    rarest_act=10, closings=1, conflicts=40, unknown=20, dangling=20, undone=3,
    gap_seconds=GAP_SECONDS_MAX,
)  # fmt: skip
FLOORS_SECONDS = 45.0


def check_not_empty(
    counts: Counts, seconds: float, *, exempt: frozenset[str] = frozenset()
) -> list[str]:
    """C8: enough happened for a green run to mean something, by the length of the run.

    `exempt` are what this run's faults do not bring about, and what its form cannot promise.
    """
    faults = []
    for name in Counts.__slots__:
        if name in exempt:
            continue
        found, floor = getattr(counts, name), getattr(FLOORS, name)
        least = max(1, int(floor * seconds / FLOORS_SECONDS))
        if name == "gap_seconds":
            if found > floor:
                faults.append(f"nobody was acknowledged anything for {found:.1f} s")
        elif found < least:
            faults.append(f"only {found} {name}, at least {least} wanted")
    return faults


def check_settled(history: History, books: Books, places: Iterable[int]) -> list[str]:
    """C9: nothing is left unresolved, everybody came to an end, and no hold is stuck."""
    faults = [f"worker {place} never ended" for place in places if place not in history.finished]
    settled_since: dict[tuple[str, str], float] = {}
    for attempt in history.attempts:
        if attempt.is_settled:
            wish = attempt.key, attempt.digest
            settled_since[wish] = max(settled_since.get(wish, 0.0), attempt.started)
    faults += [
        f"what became of {attempt.key} ({attempt.outcome}) nobody asked again"
        for attempt in history.attempts
        if not attempt.is_settled
        and settled_since.get((attempt.key, attempt.digest), 0.0) <= attempt.started
    ]
    if books.held_after_sweep:
        faults.append(f"{books.held_after_sweep} units stay held for ever")
    return faults


#: The checks that look at histories and books alone.
CHECKS: dict[str, Callable[[History, Books], list[str]]] = {
    "C1": check_reads,
    "C2": check_final_total,
    "C3": check_accounts,
    "C4": check_acknowledged,
    "C5": check_asked,
    "C6": check_answers,
    "C7": check_visible,
}


def _acknowledged(history: History) -> dict[str, Attempt]:
    return {a.key: a for a in history.attempts if a.outcome == "ok"}


def _by_key(history: History) -> dict[str, list[Attempt]]:
    found: dict[str, list[Attempt]] = defaultdict(list)
    for attempt in history.attempts:
        found[attempt.key].append(attempt)
    return found


def _vouchers_by_key(books: Books) -> dict[str | None, list[str]]:
    found: dict[str | None, list[str]] = defaultdict(list)
    for voucher_id, voucher in books.vouchers.items():
        found[voucher.key].append(voucher_id)
    return found


def _lines_by_voucher(books: Books) -> dict[str, Counter[tuple[int, int]]]:
    found: dict[str, Counter[tuple[int, int]]] = defaultdict(Counter)
    for line in books.lines:
        found[line.voucher][line.account, line.amount] += 1
    return found


def _shown(lines: Counter[tuple[int, int]]) -> str:
    posted = ", ".join(f"{no}: {units:+}" for no, units in sorted(lines.elements()))
    return f"({posted or 'none'})"
