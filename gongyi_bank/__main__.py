"""The main job: take a district's books over and show what is in them.

python -m gongyi_bank [FOLDER] [--database URL] [--json FILE] [--problems FILE.csv]
                      [--show] [--language zh|en]

Exit status: 0 done, 1 the database holds these books already and nothing else was asked for,
2 something could not be read, opened or written, 130 interrupted. A file or folder that cannot
be taken over leaves nothing behind; after a failure of the database, run it again to go on.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TextIO

from gongyi_bank import takeover
from gongyi_bank.bank import Bank
from gongyi_bank.display import progress_line
from gongyi_bank.errors import BankExists, EngineError, GongyiBankError, TakenOverBefore
from gongyi_bank.periods import Period, PeriodKind, end_of
from gongyi_bank.takeover import Story, TakeoverReport, showing
from gongyi_bank.takeover.troubles import is_in_memory, sentence_about, shown_database

_DEFAULT_DATABASE = "sqlite:///gongyi_bank.db"
_ADMINISTRATOR = "admin"
_SAMPLE = Path(__file__).parent / "testing" / "story"


class _Stopped(Exception):
    """The job ends here, with a sentence for the person and exit status 2."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the job and return the exit status."""
    chosen = _parse(arguments)
    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot show 汉字 shows question marks rather than an exception.
        getattr(stream, "reconfigure", lambda **_: None)(errors="replace")
    try:
        return _run(chosen)
    except EngineError as error:
        _say(sentence_about(error, chosen.database))
    except (GongyiBankError, _Stopped) as error:
        _say(error)
    except KeyboardInterrupt:
        _say("\n已中断，再次运行即可继续 / interrupted; run it again to go on")
        return 130
    return 2


def _say(sentence: object) -> None:
    with contextlib.suppress(OSError):  # Where nobody can be told, the exit status still tells.
        print(sentence, file=sys.stderr, flush=True)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m gongyi_bank",
        description="接管一个区县的账册并展示结果。Take a district's books over and show them.",
    )
    parser.add_argument(
        "folder", nargs="?", type=Path, default=_SAMPLE, metavar="FOLDER",
        help="文件夹，默认为自带的小故事 / the folder; by default the story that comes along",
    )  # fmt: skip
    parser.add_argument(
        "--database", default=_DEFAULT_DATABASE, metavar="URL",
        help=f"数据库，默认 / SQLAlchemy URL, by default {_DEFAULT_DATABASE}",
    )  # fmt: skip
    parser.add_argument(
        "--json", type=Path, metavar="FILE",
        help="把数字写入文件，并在旁边写出指标 / write the figures, and the indicators beside them",
    )  # fmt: skip
    parser.add_argument(
        "--problems", type=Path, metavar="FILE.csv",
        help="把所有退回的行及原因写入文件 / write every refused row and why",
    )  # fmt: skip
    parser.add_argument(
        "--show", action="store_true",
        help="账册已在数据库中时也展示 / show the books also where they were taken over before",
    )  # fmt: skip
    parser.add_argument(
        "--language", choices=("zh", "en"), default="zh", help="表头语言 / language of headings"
    )
    return parser.parse_args(arguments)


def _run(chosen: argparse.Namespace) -> int:
    story = takeover.open_story(chosen.folder)
    for path in _files(chosen):
        _require_writable(path)
    for label in story.missing_months:
        _say(f"注意：{label} 没有文件 / note: there are no files for {label}")
    bank = _bank(chosen.database, story)
    try:
        report = takeover.take_over_story(bank, story, progress=_progress())
        if not report.is_replay:
            return _after(bank, story, report, chosen)
        _say(TakenOverBefore(database=shown_database(bank.engine.url)))
        if chosen.show or _files(chosen):
            return _after(bank, story, report, chosen)
        _say(
            "要看账请加 --show，要数字请加 --json 或 --problems / "
            "to look at them add --show, for the figures --json or --problems"
        )
        return 1
    finally:
        bank.close()


def _bank(database: str, story: Story) -> Bank:
    """The bank that the story is about: founded, or gone on with where it was interrupted."""
    with warnings.catch_warnings(record=True) as unsafe:
        warnings.simplefilter("always")
        try:
            bank = takeover.found_for_story(
                database, story, administrator=_ADMINISTRATOR, unsafe_settings="warn"
            )
        except BankExists as error:
            bank = Bank.open(
                database,
                bank=error.facts["bank"],
                staff=_ADMINISTRATOR,
                unsafe_settings="warn",
            )
    for warning in unsafe:
        _say(f"注意 / note: {warning.message}")
    return bank


def _after(bank: Bank, story: Story, report: TakeoverReport, chosen: argparse.Namespace) -> int:
    """Write the files that were asked for, then show the books; these are complete by now."""
    last = story.months[-1].period
    quarter = Period.containing(last.last_on, PeriodKind.QUARTER)
    found = takeover.figures(bank, report)
    if chosen.json is not None:
        _write(chosen.json, json.dumps(found, ensure_ascii=False, indent=1) + "\n")
        _write(_beside(chosen.json), bank.ratings.indicators(quarter).to_csv())
    if chosen.problems is not None:
        _write(chosen.problems, report.problems_csv())
    if not report.is_replay or chosen.show:
        _printed(lambda: _show(bank, (quarter, last), report, found, chosen))
    return 0


def _show(
    bank: Bank,
    periods: tuple[Period, Period],
    report: TakeoverReport,
    found: dict[str, object],
    chosen: argparse.Namespace,
) -> None:
    language = chosen.language
    standing = bank.at(end_of(periods[1], bank.zone))
    _show_months(standing, report, found, language)
    page = showing.passbook_page(standing, periods[0], is_kept=_is_sample(chosen.folder))
    if page is not None:
        print(page.to_text(), end="\n\n")
    _show_people(standing, periods, language)
    checked = standing.verify().to_table()
    print(checked.to_text(language) if checked.rows else checked.heading(language), end="\n\n")
    url = bank.engine.url
    if is_in_memory(url):
        print("账册只在内存中，程序结束即消失 / the books were in memory and are gone now")
    else:
        print(f"账册在 / the books are in: {shown_database(url)}")


def _is_sample(folder: Path) -> bool:
    """Whether this is our own story: only in its books may passbooks be made up."""
    return folder.resolve() == _SAMPLE.resolve()


def _show_months(
    bank: Bank, report: TakeoverReport, found: dict[str, object], language: str
) -> None:
    """What was credited, refused and why, and what waits for whom."""
    tables = [
        report.table,
        showing.what_was_credited(found, language),
        showing.what_was_refused(found, language),
        showing.first_problems(report, language),
        showing.what_waits(bank, language),
    ]
    print(f"\n{bank.name}\n")
    for table in tables:
        print(table.to_text(language), end="\n\n")


def _show_people(bank: Bank, periods: tuple[Period, Period], language: str) -> None:
    """A branch's ledger book, and who stands where in quarter and month."""
    quarter, month = periods
    league = bank.ratings.outlet_league(quarter, top=12)
    if league.standings:
        best = league.standings[0].indicators.outlet_code
        book = showing.ledger_book_extract(bank, showing.branch_of(bank, best), quarter)
        print(book.to_text(language), end="\n\n")
    for result in (
        league,
        bank.ratings.volunteer_league(month, top=10, names=True),
        bank.ratings.volunteers_by_stars(),
    ):
        print(result.to_table().to_text(language), end="\n\n")


# --- files and terminals -------------------------------------------------------------------


_COMPLETE_ZH, _COMPLETE_EN = "账已全部记好", "the books are complete"


def _beside(path: Path) -> Path:
    """Where the indicators are written."""
    return path.with_name(f"{path.stem}_indicators.csv")


def _files(chosen: argparse.Namespace) -> list[Path]:
    """The files that will be written."""
    figures = [] if chosen.json is None else [chosen.json, _beside(chosen.json)]
    return figures if chosen.problems is None else [*figures, chosen.problems]


def _require_writable(path: Path) -> None:
    """Find out before the books are touched; a file that was there keeps its content."""
    was_there = path.exists()
    try:
        path.open("ab").close()
        if not was_there:
            path.unlink()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "OSError"
        raise _Stopped(
            f"{path} 不能写入（{reason}）；什么也没有做，请换一个文件 / "
            f"{path} cannot be written ({reason}); nothing was done, name another file"
        ) from None


def _write(path: Path, text: str) -> None:
    try:
        path.write_bytes(text.encode())
    except OSError as error:
        reason = error.strerror or "OSError"
        raise _Stopped(
            f"{path} 没有写成（{reason}）；{_COMPLETE_ZH}，请再运行一次并换一个文件 / "
            f"{path} was not written ({reason}); {_COMPLETE_EN}, run it again with another file"
        ) from None


def _printed(show: Callable[[], None]) -> None:
    """Print, and say so if what we print cannot be written."""
    try:
        show()
        sys.stdout.flush()
    except BrokenPipeError:
        _mute(sys.stdout)  # Whoever read our output has seen enough.
    except OSError as error:
        _mute(sys.stdout)
        reason = error.strerror or "OSError"
        raise _Stopped(
            f"输出写不出去（{reason}）；{_COMPLETE_ZH}，要看账请加 --show 再运行一次 / "
            f"the output cannot be written ({reason}); {_COMPLETE_EN}, "
            "to look at them run it again with --show"
        ) from None
    except KeyboardInterrupt:
        raise _Stopped(
            f"\n已中断；{_COMPLETE_ZH}，要看账请加 --show 再运行一次 / "
            f"interrupted; {_COMPLETE_EN}, to look at them run it again with --show"
        ) from None


def _mute(stream: TextIO) -> None:
    """Let what is left in the stream go nowhere, else Python complains once more at the end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _progress() -> Callable[[str, int, int | None], None] | None:
    """A bar on a terminal; nothing at all, and no codes, elsewhere."""
    if not sys.stderr.isatty():
        return None
    shown = ""

    def draw(name: str, done: int, total: int | None) -> None:
        nonlocal shown
        line = progress_line(done, total or done, f"{name:<20}")
        if line != shown:
            end = "\n" if done == total else ""
            print(f"\r{line}\x1b[K", end=end, file=sys.stderr, flush=True)
            shown = line

    return draw


if __name__ == "__main__":
    sys.exit(main())
