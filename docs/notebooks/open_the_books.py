# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 翻开账册 Open the books
#
# The main job, `python -m gongyi_bank`, takes a small district's last quarter of 2022 over and
# leaves the database file `gongyi_bank.db`. This notebook opens it: a customer's statement and
# passbook page, the ledger book of a branch, the month's league as a chart, and one hour more in a
# transaction that is rolled back.
#
# It is a script that converts: the extra `notebook` brings what the cells need and `jupytext --to
# ipynb open_the_books.py`, which makes a notebook that any Jupyter opens. Jupyter itself is yours
# to choose; with `pip install jupyterlab`, for one, `jupyter lab` does.

# %%
import contextlib
import io
from pathlib import Path

from gongyi_bank import Bank
from gongyi_bank.__main__ import main

found = [Path(folder, "gongyi_bank.db") for folder in (".", "../..")]
database = next((file for file in found if file.exists()), found[0])
if not database.exists():
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        assert main(["--database", f"sqlite:///{database}"]) == 0
bank = Bank.open(f"sqlite:///{database}", staff="admin")
print(bank)

# %% [markdown]
# ## 志愿者 A volunteer
#
# Who served most in the quarter? Names are shown masked.

# %%
league = bank.ratings.volunteer_league("2022Q4", top=5, names=True)
print(league.served, "people served")
league  # noqa: B018 - a notebook shows the last line

# %%
account = league.standings[0].account
bank.reports.customer_summary(account)

# %% [markdown]
# ## 账户明细 The statement, newest first

# %%
bank.reports.statement(account, newest=8)

# %% [markdown]
# Every line explains itself: the record behind it, the tariff in force on the day of service, and
# how it was rounded.

# %%
bank.reports.explain(account, bank.reports.statement(account, newest=1).lines[0].line_no)

# %% [markdown]
# ## 存折 The page of the passbook
#
# As it was printed in the book in the volunteer's hand.

# %%
bank.passbooks.page(account)

# %% [markdown]
# ## 台账 The ledger book of a branch
#
# Every account registered in the branch, for the quarter. `to_pandas()` gives a data frame with
# exact decimals.

# %%
home = bank.reports.customer_summary(account).outlet
branch = home[:3]
book = bank.reports.ledger_book(branch, "2022Q4", names=True)
frame = book.to_pandas()
frame[["account", "outlet", "opening", "credited", "debited", "closing", "minutes"]].head(10)

# %%
print(f"{book.outlet} {book.outlet_name}: {len(book.rows)} accounts, closing {book.closing} points")
print("balanced:", bank.reports.trial_balance().is_balanced)

# %% [markdown]
# ## 月榜 The month's league as a chart
#
# The savings branches of December by their five indicators. Chinese labels need a font with Chinese
# characters; where none is installed, the codes stand there instead, so that no empty boxes are
# shown.

# %%
import matplotlib.pyplot as plt
from matplotlib import font_manager

CHINESE_FONTS = (
    "Noto Sans CJK SC", "Noto Sans CJK JP", "Source Han Sans SC", "Noto Sans SC", "PingFang SC",
    "Hiragino Sans GB", "Microsoft YaHei", "SimHei", "WenQuanYi Micro Hei", "WenQuanYi Zen Hei",
)  # fmt: skip
installed = {font.name for font in font_manager.fontManager.ttflist}
font = next((name for name in CHINESE_FONTS if name in installed), None)
if font is None:
    print("No font with Chinese characters is installed: codes instead of names.")
else:
    print(f"Chinese labels in {font}")

# %%
month = bank.ratings.outlet_league("2022-12", top=12)
best_last = month.standings[::-1]
labels = [
    one.indicators.outlet_name.removesuffix("储蓄所") if font else one.indicators.outlet_code
    for one in best_last
]
shares = [float(one.score / month.score_max * 100) for one in best_last]
style = {"font.family": [font, "DejaVu Sans"]} if font else {}
with plt.rc_context(style):
    figure, axes = plt.subplots(figsize=(8, 4.8), layout="constrained")
    bars = axes.barh(labels, shares, color="#b3261e")
    stars = "星" if font else " stars"
    axes.bar_label(bars, [f"{one.stars}{stars}" for one in best_last], padding=4)
    axes.set_xlim(0, max(shares) * 1.12)
    axes.set_title("2022年12月 储蓄所排行" if font else "Savings branches, December 2022")
    axes.set_xlabel("得分（满分100）" if font else "score (of 100)")
    axes.spines[["top", "right"]].set_visible(False)
plt.close(figure)  # else a notebook shows it a second time
figure  # noqa: B018 - a notebook shows the last line

# %% [markdown]
# ## 多记一小时，再撤销 One more hour, rolled back
#
# Inside a transaction of our own the bank writes what it always writes: voucher, record, line and
# head. Then we roll back, and the books are as before.

# %%
import datetime as dt

from gongyi_bank import Appointment, Points

morning = dt.datetime(2022, 12, 31, 5, 0, tzinfo=bank.zone)
before = bank.reports.balance(account)
people = [
    Appointment(code="guest-1", role="teller", outlet=home),
    Appointment(code="guest-2", role="teller", outlet=home),
]
with bank.engine.connect() as connection, connection.begin() as transaction:
    with bank.within(connection) as counter:
        counter.staff.appoint(appointments=people)
        receipt = counter.hours.record(
            account=account, category="elder_care", outlet=home, recorded_by="guest-1",
            checked_by="guest-2", started_at=morning, ended_at=morning + dt.timedelta(hours=1),
        )  # fmt: skip
        during = counter.reports.balance(account)
    transaction.rollback()
after = bank.reports.balance(account)
print(f"{receipt.state}: {receipt.points} points; balance {before} → {during} → {after}")
assert (during - before, after) == (receipt.points, before)
assert receipt.points > Points(0)

# %%
print(bank.verify())
bank.close()
