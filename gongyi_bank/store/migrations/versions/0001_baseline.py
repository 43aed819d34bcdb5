"""The first schema, frozen by its release; `tests/store/write_baseline.py` wrote it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic.operations import Operations

from gongyi_bank.store.migrations.frozen import (
    BIG,
    DAY,
    INSTANT,
    LONG_TEXT,
    SMALL,
    check,
    fk,
    index,
    key,
    may,
    need,
    raw,
    table,
    text,
    unique,
)
from gongyi_bank.store.migrations.operations import allow_guards, create_tables, guard

revision = "0001"
down_revision = None

SCHEMA = sa.MetaData()

# fmt: off
table(SCHEMA, "gb_bank",
    need("bank_id", BIG), need("name", text(100)), need("scale", SMALL),
    need("time_zone", text(60)), need("policies_stamp", BIG), need("founded_at", INSTANT),
    may("seal_key_mark", text(64)), may("index_key_mark", text(64)),
    key("gb_bank_pk", "bank_id"), unique("gb_bank_name_uq", "name"),
    check("gb_bank_scale_ck", "scale BETWEEN 0 AND 4"),
)
table(SCHEMA, "gb_outbox_consumer",
    need("bank_id", BIG), need("name", text(100)), need("outbox_no", BIG),
    key("gb_outbox_consumer_pk", "bank_id name"),
    fk("gb_outbox_consumer_bank_fk", "bank_id", "gb_bank"),
    check("gb_outbox_consumer_outbox_no_ck", "outbox_no >= 0"),
)
table(SCHEMA, "gb_serial_counter",
    need("bank_id", BIG), need("series", text(30)), need("owner_no", BIG), need("last_no", BIG),
    key("gb_serial_counter_pk", "bank_id series owner_no"),
    fk("gb_serial_counter_bank_fk", "bank_id", "gb_bank"),
)
table(SCHEMA, "gb_voucher",
    need("bank_id", BIG), need("voucher_id", raw(16)), need("act", text(40)),
    may("idempotency_key", text(200)), need("request_digest", raw(32)),
    need("digest_version", SMALL), need("staff_no", BIG), may("second_staff_no", BIG),
    need("outlet_no", BIG), need("business_day", DAY), need("booked_at", INSTANT),
    may("cites_voucher_id", raw(16)), may("reason", text(400)), need("body", LONG_TEXT),
    need("voucher_hash", raw(32)), may("outbox_no", BIG),
    key("gb_voucher_pk", "bank_id voucher_id"), fk("gb_voucher_bank_fk", "bank_id", "gb_bank"),
    unique("gb_voucher_key_uq", "bank_id idempotency_key"),
    index("gb_voucher_booked_ix", "bank_id booked_at"),
    index("gb_voucher_outbox_ix", "bank_id outbox_no voucher_id"),
)
table(SCHEMA, "gb_outlet",
    need("bank_id", BIG), need("outlet_no", BIG), need("code", text(40)), need("name", text(100)),
    need("tier", SMALL), may("parent_no", BIG), may("parent_tier", SMALL), may("head_mark", SMALL),
    need("setting", text(10)), need("state", text(10)), need("opened_on", DAY),
    may("closed_on", DAY), need("voucher_id", raw(16)),
    key("gb_outlet_pk", "bank_id outlet_no"), fk("gb_outlet_bank_fk", "bank_id", "gb_bank"),
    fk(
        "gb_outlet_parent_fk",
        "bank_id parent_no parent_tier",
        "gb_outlet",
        "bank_id outlet_no tier",
    ),
    fk("gb_outlet_voucher_fk", "bank_id voucher_id", "gb_voucher"),
    unique("gb_outlet_code_uq", "bank_id code"), unique("gb_outlet_head_uq", "bank_id head_mark"),
    unique("gb_outlet_tier_uq", "bank_id outlet_no tier"),
    check(
        "gb_outlet_tier_ck",
        "(tier = 1 AND parent_no IS NULL AND parent_tier IS NULL AND head_mark IS NOT NULL AND "
        "head_mark = 1) OR (tier IN (2, 3) AND parent_no IS NOT NULL AND parent_tier IS NOT NULL "
        "AND parent_tier = tier - 1 AND head_mark IS NULL)",
    ),
    check(
        "gb_outlet_state_ck",
        "state IN ('open', 'closed') AND (state = 'closed') = (closed_on IS NOT NULL)",
    ),
    check("gb_outlet_setting_ck", "setting IN ('urban', 'rural')"),
    index("gb_outlet_parent_ix", "bank_id parent_no"),
)
table(SCHEMA, "gb_policy",
    need("bank_id", BIG), need("policy_id", BIG), need("kind", text(40)), need("effective_on", DAY),
    need("body", LONG_TEXT), need("voucher_id", raw(16)),
    key("gb_policy_pk", "bank_id policy_id"), fk("gb_policy_bank_fk", "bank_id", "gb_bank"),
    fk("gb_policy_voucher_fk", "bank_id voucher_id", "gb_voucher"),
    unique("gb_policy_effective_uq", "bank_id kind effective_on"),
)
table(SCHEMA, "gb_staff",
    need("bank_id", BIG), need("staff_no", BIG), need("code", text(60)), may("own_account_no", BIG),
    need("voucher_id", raw(16)),
    key("gb_staff_pk", "bank_id staff_no"), fk("gb_staff_bank_fk", "bank_id", "gb_bank"),
    fk("gb_staff_voucher_fk", "bank_id voucher_id", "gb_voucher"),
    unique("gb_staff_code_uq", "bank_id code"),
)
table(SCHEMA, "gb_account",
    need("bank_id", BIG), need("account_no", BIG), need("kind", text(20)), need("unit", text(10)),
    need("outlet_no", BIG), need("voucher_id", raw(16)),
    key("gb_account_pk", "bank_id account_no"), fk("gb_account_bank_fk", "bank_id", "gb_bank"),
    fk("gb_account_outlet_fk", "bank_id outlet_no", "gb_outlet"),
    fk("gb_account_voucher_fk", "bank_id voucher_id", "gb_voucher"),
    check("gb_account_unit_ck", "unit IN ('points')"),
    index("gb_account_kind_ix", "bank_id kind outlet_no"),
)
table(SCHEMA, "gb_closing",
    need("bank_id", BIG), need("closing_no", BIG), need("outlet_no", BIG), need("kind", text(10)),
    need("first_on", DAY), need("last_on", DAY), need("state", text(10)),
    need("voucher_id", raw(16)), may("closed_voucher_id", raw(16)),
    key("gb_closing_pk", "bank_id closing_no"), fk("gb_closing_bank_fk", "bank_id", "gb_bank"),
    fk("gb_closing_outlet_fk", "bank_id outlet_no", "gb_outlet"),
    fk("gb_closing_voucher_fk", "bank_id voucher_id", "gb_voucher"),
    fk("gb_closing_closed_fk", "bank_id closed_voucher_id", "gb_voucher", "bank_id voucher_id"),
    unique("gb_closing_period_uq", "bank_id outlet_no kind last_on"),
    check(
        "gb_closing_kind_ck", "kind IN ('day', 'month', 'quarter', 'year') AND first_on <= last_on",
    ),
    check(
        "gb_closing_state_ck",
        "state IN ('closing', 'drained', 'closed') AND (state = 'closed') = (closed_voucher_id IS "
        "NOT NULL)",
    ),
    index("gb_closing_open_ix", "bank_id outlet_no", "state <> 'closed'"),
)
table(SCHEMA, "gb_outlet_stay",
    need("bank_id", BIG), need("outlet_no", BIG), need("stay_no", BIG), need("since_on", DAY),
    may("parent_no", BIG), need("state", text(10)), need("voucher_id", raw(16)),
    key("gb_outlet_stay_pk", "bank_id outlet_no stay_no"),
    fk("gb_outlet_stay_bank_fk", "bank_id", "gb_bank"),
    fk("gb_outlet_stay_outlet_fk", "bank_id outlet_no", "gb_outlet"),
    fk("gb_outlet_stay_parent_fk", "bank_id parent_no", "gb_outlet", "bank_id outlet_no"),
    fk("gb_outlet_stay_voucher_fk", "bank_id voucher_id", "gb_voucher"),
    check("gb_outlet_stay_state_ck", "state IN ('open', 'closed')"),
)
table(SCHEMA, "gb_account_head",
    need("bank_id", BIG), need("account_no", BIG), need("credited", BIG), need("debited", BIG),
    need("held", BIG), need("dead_no", BIG), need("next_expiry_on", DAY),
    need("next_expiry_line_no", BIG), need("last_expires_on", DAY), need("line_no", BIG),
    need("head_hash", raw(32)), need("overdraft_limit", BIG), need("debt", BIG),
    need("booked_at", INSTANT), need("verified_minutes", BIG), need("record_no", BIG),
    key("gb_account_head_pk", "bank_id account_no"),
    fk("gb_account_head_bank_fk", "bank_id", "gb_bank"),
    fk("gb_account_head_account_fk", "bank_id account_no", "gb_account"),
    check("gb_account_head_floor_ck", "debited + held <= credited + overdraft_limit + debt"),
    check(
        "gb_account_head_signs_ck",
        "credited >= 0 AND debited >= 0 AND held >= 0 AND dead_no >= 0 AND line_no >= 0 AND "
        "overdraft_limit >= 0 AND debt >= 0 AND verified_minutes >= 0 AND record_no >= 0",
    ),
    index(
        "gb_account_head_expiry_ix", "bank_id next_expiry_on account_no", "next_expiry_line_no > 0",
    ),
)
table(SCHEMA, "gb_account_line",
    need("bank_id", BIG), need("account_no", BIG), need("line_no", BIG), need("kind", text(20)),
    need("amount", BIG), need("contra_no", BIG), need("credited_after", BIG),
    need("debited_after", BIG), may("expires_on", DAY), need("value_on", DAY),
    may("origin_on", DAY), need("booked_at", INSTANT), need("business_day", DAY),
    need("outlet_no", BIG), need("voucher_id", raw(16)), may("policy_id", BIG),
    need("line_hash", raw(32)),
    key("gb_account_line_pk", "bank_id account_no line_no"),
    fk("gb_account_line_bank_fk", "bank_id", "gb_bank"),
    fk("gb_account_line_account_fk", "bank_id account_no", "gb_account"),
    fk("gb_account_line_contra_fk", "bank_id contra_no", "gb_account", "bank_id account_no"),
    fk("gb_account_line_voucher_fk", "bank_id voucher_id", "gb_voucher"),
    check("gb_account_line_amount_ck", "amount <> 0 AND (amount > 0) = (expires_on IS NOT NULL)"),
    check(
        "gb_account_line_totals_ck", "line_no > 0 AND credited_after >= 0 AND debited_after >= 0",
    ),
    index("gb_account_line_contra_ix", "bank_id contra_no business_day"),
    index("gb_account_line_voucher_ix", "bank_id voucher_id"),
)
table(SCHEMA, "gb_account_total",
    need("bank_id", BIG), need("account_no", BIG), need("through_on", DAY), need("debits", BIG),
    need("credits", BIG), need("voucher_id", raw(16)),
    key("gb_account_total_pk", "bank_id account_no through_on"),
    fk("gb_account_total_bank_fk", "bank_id", "gb_bank"),
    fk("gb_account_total_account_fk", "bank_id account_no", "gb_account"),
    fk("gb_account_total_voucher_fk", "bank_id voucher_id", "gb_voucher"),
    check("gb_account_total_totals_ck", "debits >= 0 AND credits >= 0"),
)
table(SCHEMA, "gb_customer",
    need("bank_id", BIG), need("account_no", BIG), need("kind", text(20)), need("outlet_no", BIG),
    need("stay_no", BIG), may("ref", text(100)), need("registered_on", DAY),
    need("state", text(10)), need("state_since_on", DAY), may("closed_on", DAY),
    need("voucher_id", raw(16)),
    key("gb_customer_pk", "bank_id account_no"), fk("gb_customer_bank_fk", "bank_id", "gb_bank"),
    fk("gb_customer_account_fk", "bank_id account_no", "gb_account"),
    fk("gb_customer_outlet_fk", "bank_id outlet_no", "gb_outlet"),
    fk("gb_customer_voucher_fk", "bank_id voucher_id", "gb_voucher"),
    unique("gb_customer_ref_uq", "bank_id ref"),
    check("gb_customer_kind_ck", "kind IN ('volunteer', 'organisation', 'household')"),
    check(
        "gb_customer_state_ck",
        "state IN ('active', 'frozen', 'dormant', 'closed') AND (state = 'closed') = (closed_on IS"
        " NOT NULL)",
    ),
    index("gb_customer_outlet_ix", "bank_id outlet_no kind"),
)
table(SCHEMA, "gb_given_sum",
    need("bank_id", BIG), need("account_no", BIG), need("month_on", DAY), need("kind", text(20)),
    need("points", BIG), need("acts", BIG),
    key("gb_given_sum_pk", "bank_id account_no month_on kind"),
    fk("gb_given_sum_bank_fk", "bank_id", "gb_bank"),
    fk("gb_given_sum_account_fk", "bank_id account_no", "gb_account"),
    check(
        "gb_given_sum_kind_ck",
        "kind IN ('gift_out', 'donation_out', 'pool_grant_out', 'pool_grant_in')",
    ),
    check("gb_given_sum_sums_ck", "points >= 0 AND acts >= 0"),
)
table(SCHEMA, "gb_internal_move",
    need("bank_id", BIG), need("voucher_id", raw(16)), need("leg_no", SMALL),
    need("source_no", BIG), need("target_no", BIG), need("unit", text(10)), need("amount", BIG),
    need("business_day", DAY), need("outlet_no", BIG),
    key("gb_internal_move_pk", "bank_id voucher_id leg_no"),
    fk("gb_internal_move_bank_fk", "bank_id", "gb_bank"),
    fk("gb_internal_move_source_fk", "bank_id source_no", "gb_account", "bank_id account_no"),
    fk("gb_internal_move_target_fk", "bank_id target_no", "gb_account", "bank_id account_no"),
    fk("gb_internal_move_voucher_fk", "bank_id voucher_id", "gb_voucher"),
    check("gb_internal_move_amount_ck", "amount > 0 AND source_no <> target_no"),
    index("gb_internal_move_source_ix", "bank_id source_no business_day"),
    index("gb_internal_move_target_ix", "bank_id target_no business_day"),
)
table(SCHEMA, "gb_partner_store",
    need("bank_id", BIG), need("store_no", BIG), need("code", text(40)), need("name", text(100)),
    need("kind", text(20)), need("recruited_by_no", BIG), need("joined_on", DAY),
    may("left_on", DAY), need("account_no", BIG), need("voucher_id", raw(16)),
    key("gb_partner_store_pk", "bank_id store_no"),
    fk("gb_partner_store_bank_fk", "bank_id", "gb_bank"),
    fk("gb_partner_store_outlet_fk", "bank_id recruited_by_no", "gb_outlet", "bank_id outlet_no"),
    fk("gb_partner_store_account_fk", "bank_id account_no", "gb_account"),
    fk("gb_partner_store_voucher_fk", "bank_id voucher_id", "gb_voucher"),
    unique("gb_partner_store_code_uq", "bank_id code"),
    check("gb_partner_store_kind_ck", "kind IN ('community_store', 'charity_shop', 'enterprise')"),
    index("gb_partner_store_recruited_ix", "bank_id recruited_by_no joined_on"),
)
table(SCHEMA, "gb_pool",
    need("bank_id", BIG), need("pool_no", BIG), need("code", text(40)), need("name", text(100)),
    need("outlet_no", BIG), need("account_no", BIG), need("state", text(10)),
    need("voucher_id", raw(16)),
    key("gb_pool_pk", "bank_id pool_no"), fk("gb_pool_bank_fk", "bank_id", "gb_bank"),
    fk("gb_pool_outlet_fk", "bank_id outlet_no", "gb_outlet"),
    fk("gb_pool_account_fk", "bank_id account_no", "gb_account"),
    fk("gb_pool_voucher_fk", "bank_id voucher_id", "gb_voucher"),
    unique("gb_pool_code_uq", "bank_id code"), unique("gb_pool_account_uq", "bank_id account_no"),
    check("gb_pool_state_ck", "state IN ('open', 'closed')"),
)
table(SCHEMA, "gb_seal",
    need("bank_id", BIG), need("seal_no", BIG), need("closing_no", BIG), need("through_on", DAY),
    need("root", raw(32)), need("counts", LONG_TEXT), need("seal_hash", raw(32)),
    need("voucher_id", raw(16)),
    key("gb_seal_pk", "bank_id seal_no"), fk("gb_seal_bank_fk", "bank_id", "gb_bank"),
    fk("gb_seal_closing_fk", "bank_id closing_no", "gb_closing"),
    fk("gb_seal_voucher_fk", "bank_id voucher_id", "gb_voucher"),
    unique("gb_seal_through_uq", "bank_id through_on"),
)
table(SCHEMA, "gb_customer_stay",
    need("bank_id", BIG), need("account_no", BIG), need("stay_no", BIG), need("since_on", DAY),
    need("outlet_no", BIG), need("voucher_id", raw(16)),
    key("gb_customer_stay_pk", "bank_id account_no stay_no"),
    fk("gb_customer_stay_bank_fk", "bank_id", "gb_bank"),
    fk("gb_customer_stay_customer_fk", "bank_id account_no", "gb_customer"),
    fk("gb_customer_stay_outlet_fk", "bank_id outlet_no", "gb_outlet"),
    fk("gb_customer_stay_voucher_fk", "bank_id voucher_id", "gb_voucher"),
)
table(SCHEMA, "gb_hold",
    need("bank_id", BIG), need("hold_id", raw(16)), need("account_no", BIG), need("payee_no", BIG),
    need("amount", BIG), need("captured", BIG), need("state", text(10)), need("placed_at", INSTANT),
    need("deadline_at", INSTANT), need("latest_at", INSTANT), need("outlet_no", BIG),
    need("cites_from", BIG), need("event_no", SMALL), may("ref", text(100)),
    may("row_digest", raw(32)), need("voucher_id", raw(16)), may("settled_voucher_id", raw(16)),
    key("gb_hold_pk", "bank_id hold_id"), fk("gb_hold_bank_fk", "bank_id", "gb_bank"),
    fk("gb_hold_account_fk", "bank_id account_no", "gb_account_head"),
    fk("gb_hold_payee_fk", "bank_id payee_no", "gb_account", "bank_id account_no"),
    fk("gb_hold_voucher_fk", "bank_id voucher_id", "gb_voucher"),
    fk("gb_hold_settled_fk", "bank_id settled_voucher_id", "gb_voucher", "bank_id voucher_id"),
    unique("gb_hold_ref_uq", "bank_id ref"),
    check(
        "gb_hold_amount_ck",
        "amount > 0 AND captured >= 0 AND captured <= amount AND event_no > 0 AND cites_from >= 0",
    ),
    check(
        "gb_hold_state_ck",
        "state IN ('held', 'captured', 'released', 'lapsed') AND (state = 'held') = "
        "(settled_voucher_id IS NULL) AND (state = 'captured') = (captured = amount)",
    ),
    check("gb_hold_deadline_ck", "deadline_at <= latest_at"),
    index("gb_hold_account_ix", "bank_id account_no state"),
    index("gb_hold_deadline_ix", "bank_id state deadline_at"),
    index("gb_hold_settled_ix", "bank_id settled_voucher_id", "settled_voucher_id IS NOT NULL"),
    index("gb_hold_voucher_ix", "bank_id voucher_id"),
)
table(SCHEMA, "gb_hour_record",
    need("bank_id", BIG), need("account_no", BIG), need("record_no", BIG), need("kind", text(10)),
    need("state", text(20)), need("first_state", text(20)), may("ref", text(100)),
    need("row_digest", raw(32)), need("outlet_no", BIG), may("project", text(100)),
    may("category", text(40)), need("started_at", INSTANT), need("ended_at", INSTANT),
    need("service_on", DAY), need("value_on", DAY), may("voided_on", DAY), need("minutes", BIG),
    may("client_rating", SMALL), may("recorded_by_no", BIG), may("checked_by_no", BIG),
    need("points", BIG), may("line_no", BIG), may("policy_id", BIG), may("replaces_record_no", BIG),
    need("voucher_id", raw(16)), may("decided_voucher_id", raw(16)),
    may("voided_voucher_id", raw(16)),
    key("gb_hour_record_pk", "bank_id account_no record_no"),
    fk("gb_hour_record_bank_fk", "bank_id", "gb_bank"),
    fk("gb_hour_record_head_fk", "bank_id account_no", "gb_account_head"),
    fk("gb_hour_record_voucher_fk", "bank_id voucher_id", "gb_voucher"),
    unique("gb_hour_record_ref_uq", "bank_id ref"),
    check("gb_hour_record_kind_ck", "kind IN ('service', 'opening')"),
    check(
        "gb_hour_record_state_ck",
        "state IN ('credited', 'waiting_branch', 'waiting_head_office', 'refused', 'voided') AND "
        "first_state IN ('credited', 'waiting_branch', 'waiting_head_office') AND (state = "
        "'voided') = (voided_on IS NOT NULL) AND (state = 'voided') = (voided_voucher_id IS NOT "
        "NULL)",
    ),
    check(
        "gb_hour_record_minutes_ck",
        "minutes >= 0 AND (minutes > 0 OR kind = 'opening') AND ended_at >= started_at AND points "
        ">= 0",
    ),
    check("gb_hour_record_rating_ck", "client_rating BETWEEN 1 AND 5"),
    index(
        "gb_hour_record_decided_by_ix",
        "bank_id decided_voucher_id",
        "decided_voucher_id IS NOT NULL",
    ),
    index("gb_hour_record_outlet_ix", "bank_id outlet_no value_on"),
    index("gb_hour_record_time_ix", "bank_id account_no started_at"),
    index(
        "gb_hour_record_voided_by_ix", "bank_id voided_voucher_id", "voided_voucher_id IS NOT NULL",
    ),
    index("gb_hour_record_voided_ix", "bank_id voided_on", "state = 'voided'"),
    index("gb_hour_record_voucher_ix", "bank_id voucher_id"),
    index(
        "gb_hour_record_waiting_ix",
        "bank_id outlet_no",
        "state IN ('waiting_branch', 'waiting_head_office')",
    ),
)
table(SCHEMA, "gb_line_part",
    need("bank_id", BIG), need("account_no", BIG), need("line_no", BIG), need("part_no", SMALL),
    need("kind", text(10)), need("amount", BIG), need("expired", BIG), may("by_line_no", BIG),
    need("voucher_id", raw(16)),
    key("gb_line_part_pk", "bank_id account_no line_no part_no"),
    fk("gb_line_part_bank_fk", "bank_id", "gb_bank"),
    fk("gb_line_part_line_fk", "bank_id account_no line_no", "gb_account_line"),
    fk(
        "gb_line_part_by_fk",
        "bank_id account_no by_line_no",
        "gb_account_line",
        "bank_id account_no line_no",
    ),
    fk("gb_line_part_voucher_fk", "bank_id voucher_id", "gb_voucher"),
    check("gb_line_part_kind_ck", "kind IN ('reversal', 'refund')"),
    check(
        "gb_line_part_amount_ck",
        "amount > 0 AND expired >= 0 AND expired <= amount AND part_no > 0",
    ),
    index("gb_line_part_by_ix", "bank_id account_no by_line_no"),
    index("gb_line_part_voucher_ix", "bank_id voucher_id"),
)
table(SCHEMA, "gb_offer",
    need("bank_id", BIG), need("store_no", BIG), need("sku", text(40)), need("name", text(100)),
    need("points", BIG), need("stock", BIG), need("reserved", BIG), need("state", text(10)),
    need("voucher_id", raw(16)),
    key("gb_offer_pk", "bank_id store_no sku"), fk("gb_offer_bank_fk", "bank_id", "gb_bank"),
    fk("gb_offer_store_fk", "bank_id store_no", "gb_partner_store"),
    fk("gb_offer_voucher_fk", "bank_id voucher_id", "gb_voucher"),
    check("gb_offer_stock_ck", "stock >= 0 AND reserved >= 0 AND points > 0"),
    check("gb_offer_state_ck", "state IN ('listed', 'withdrawn')"),
)
table(SCHEMA, "gb_passbook",
    need("bank_id", BIG), need("passbook_no", BIG), need("state", text(10)), need("outlet_no", BIG),
    need("pages", SMALL), need("rows_per_page", SMALL), may("account_no", BIG),
    may("volume_no", BIG), may("issued_on", DAY), may("first_line_no", BIG),
    may("printed_line_no", BIG), need("voucher_id", raw(16)),
    key("gb_passbook_pk", "bank_id passbook_no"), fk("gb_passbook_bank_fk", "bank_id", "gb_bank"),
    fk("gb_passbook_outlet_fk", "bank_id outlet_no", "gb_outlet"),
    fk("gb_passbook_account_fk", "bank_id account_no", "gb_account_head"),
    fk("gb_passbook_voucher_fk", "bank_id voucher_id", "gb_voucher"),
    unique("gb_passbook_volume_uq", "bank_id account_no volume_no"),
    check(
        "gb_passbook_state_ck",
        "state IN ('blank', 'in_use', 'replaced', 'void', 'spoiled', 'destroyed')",
    ),
    check(
        "gb_passbook_life_ck",
        "state = 'destroyed' OR (account_no IS NULL) = (state = 'blank' OR state = 'spoiled')",
    ),
    check(
        "gb_passbook_holder_ck",
        "(account_no IS NULL) = (volume_no IS NULL) AND (account_no IS NULL) = (issued_on IS NULL)"
        " AND (account_no IS NULL) = (first_line_no IS NULL) AND (account_no IS NULL) = "
        "(printed_line_no IS NULL)",
    ),
    check("gb_passbook_size_ck", "pages > 0 AND rows_per_page > 0"),
    check(
        "gb_passbook_room_ck",
        "account_no IS NULL OR (volume_no > 0 AND first_line_no > 0 AND printed_line_no >= "
        "first_line_no - 1 AND printed_line_no < first_line_no + pages * rows_per_page)",
    ),
    index("gb_passbook_stock_ix", "bank_id outlet_no state passbook_no"),
)
table(SCHEMA, "gb_person",
    need("bank_id", BIG), need("account_no", BIG), need("name", text(100)),
    may("document_kind", text(40)), may("document_no", text(60)), may("document_index", text(64)),
    may("birth_on", DAY), may("phone", text(40)),
    key("gb_person_pk", "bank_id account_no"), fk("gb_person_bank_fk", "bank_id", "gb_bank"),
    fk("gb_person_customer_fk", "bank_id account_no", "gb_customer"),
    unique("gb_person_document_uq", "bank_id document_index"),
)
table(SCHEMA, "gb_staff_role",
    need("bank_id", BIG), need("staff_no", BIG), need("role_no", BIG), need("role", text(20)),
    need("outlet_no", BIG), may("store_no", BIG), need("since_on", DAY), may("ended_on", DAY),
    need("voucher_id", raw(16)),
    key("gb_staff_role_pk", "bank_id staff_no role_no"),
    fk("gb_staff_role_bank_fk", "bank_id", "gb_bank"),
    fk("gb_staff_role_staff_fk", "bank_id staff_no", "gb_staff"),
    fk("gb_staff_role_outlet_fk", "bank_id outlet_no", "gb_outlet"),
    fk("gb_staff_role_store_fk", "bank_id store_no", "gb_partner_store"),
    fk("gb_staff_role_voucher_fk", "bank_id voucher_id", "gb_voucher"),
    check(
        "gb_staff_role_role_ck",
        "role IN ('administrator', 'ledger_keeper', 'teller', 'store_clerk', 'auditor', "
        "'service_account')",
    ),
    check("gb_staff_role_clerk_ck", "(role = 'store_clerk') = (store_no IS NOT NULL)"),
    index("gb_staff_role_outlet_ix", "bank_id outlet_no"),
)
table(SCHEMA, "gb_hold_event",
    need("bank_id", BIG), need("hold_id", raw(16)), need("event_no", SMALL), need("kind", text(10)),
    need("amount", BIG), need("deadline_at", INSTANT), may("line_no", BIG),
    need("voucher_id", raw(16)),
    key("gb_hold_event_pk", "bank_id hold_id event_no"),
    fk("gb_hold_event_bank_fk", "bank_id", "gb_bank"),
    fk("gb_hold_event_hold_fk", "bank_id hold_id", "gb_hold"),
    fk("gb_hold_event_voucher_fk", "bank_id voucher_id", "gb_voucher"),
    check(
        "gb_hold_event_kind_ck", "kind IN ('placed', 'extended', 'captured', 'released', 'lapsed')",
    ),
    check("gb_hold_event_amount_ck", "amount >= 0 AND (kind = 'captured') = (line_no IS NOT NULL)"),
    index("gb_hold_event_voucher_ix", "bank_id voucher_id"),
)
table(SCHEMA, "gb_loss_report",
    need("bank_id", BIG), need("account_no", BIG), need("report_no", BIG), need("passbook_no", BIG),
    need("kind", text(10)), need("state", text(10)), need("reported_at", INSTANT),
    may("lapses_at", INSTANT), may("reissue_from_on", DAY), need("voucher_id", raw(16)),
    may("settled_voucher_id", raw(16)),
    key("gb_loss_report_pk", "bank_id account_no report_no"),
    fk("gb_loss_report_bank_fk", "bank_id", "gb_bank"),
    fk("gb_loss_report_account_fk", "bank_id account_no", "gb_account_head"),
    fk("gb_loss_report_passbook_fk", "bank_id passbook_no", "gb_passbook"),
    fk("gb_loss_report_voucher_fk", "bank_id voucher_id", "gb_voucher"),
    fk(
        "gb_loss_report_settled_fk",
        "bank_id settled_voucher_id",
        "gb_voucher",
        "bank_id voucher_id",
    ),
    check("gb_loss_report_kind_ck", "kind IN ('oral', 'written')"),
    check(
        "gb_loss_report_state_ck",
        "state IN ('in_force', 'lifted', 'reissued', 'superseded', 'lapsed')",
    ),
    check("gb_loss_report_settled_ck", "(state = 'in_force') = (settled_voucher_id IS NULL)"),
    check(
        "gb_loss_report_terms_ck",
        "(kind = 'oral') = (lapses_at IS NOT NULL) AND (kind = 'written') = (reissue_from_on IS "
        "NOT NULL)",
    ),
    index("gb_loss_report_passbook_ix", "bank_id passbook_no"),
    index("gb_loss_report_state_ix", "bank_id state"),
)
table(SCHEMA, "gb_redemption",
    need("bank_id", BIG), need("redemption_id", raw(16)), need("account_no", BIG),
    need("store_no", BIG), need("sku", text(40)), need("quantity", BIG), need("points", BIG),
    need("state", text(10)), may("ref", text(100)), need("row_digest", raw(32)),
    need("redeemed_on", DAY), may("line_no", BIG), may("hold_id", raw(16)), may("cites_from", BIG),
    need("voucher_id", raw(16)), may("settled_voucher_id", raw(16)),
    key("gb_redemption_pk", "bank_id redemption_id"),
    fk("gb_redemption_bank_fk", "bank_id", "gb_bank"),
    fk("gb_redemption_head_fk", "bank_id account_no", "gb_account_head"),
    fk("gb_redemption_offer_fk", "bank_id store_no sku", "gb_offer"),
    fk("gb_redemption_hold_fk", "bank_id hold_id", "gb_hold"),
    fk("gb_redemption_voucher_fk", "bank_id voucher_id", "gb_voucher"),
    fk(
        "gb_redemption_settled_fk",
        "bank_id settled_voucher_id",
        "gb_voucher",
        "bank_id voucher_id",
    ),
    unique("gb_redemption_ref_uq", "bank_id ref"),
    check(
        "gb_redemption_state_ck",
        "state IN ('redeemed', 'reserved', 'captured', 'released', 'lapsed') AND (state = "
        "'redeemed') = (hold_id IS NULL) AND (hold_id IS NULL) = (cites_from IS NOT NULL) AND "
        "(state IN ('redeemed', 'reserved')) = (settled_voucher_id IS NULL) AND (state IN "
        "('redeemed', 'captured')) = (line_no IS NOT NULL)",
    ),
    check(
        "gb_redemption_part_ck", "hold_id IS NULL OR hold_id = redemption_id OR state = 'captured'",
    ),
    check("gb_redemption_quantity_ck", "quantity > 0 AND points > 0"),
    index("gb_redemption_account_ix", "bank_id account_no redeemed_on"),
    index(
        "gb_redemption_settled_ix", "bank_id settled_voucher_id", "settled_voucher_id IS NOT NULL",
    ),
    index("gb_redemption_store_ix", "bank_id store_no redeemed_on"),
    index("gb_redemption_voucher_ix", "bank_id voucher_id"),
)
table(SCHEMA, "gb_stock_move",
    need("bank_id", BIG), need("store_no", BIG), need("sku", text(40)), need("voucher_id", raw(16)),
    need("quantity", BIG),
    key("gb_stock_move_pk", "bank_id store_no sku voucher_id"),
    fk("gb_stock_move_bank_fk", "bank_id", "gb_bank"),
    fk("gb_stock_move_offer_fk", "bank_id store_no sku", "gb_offer"),
    fk("gb_stock_move_voucher_fk", "bank_id voucher_id", "gb_voucher"),
    check("gb_stock_move_quantity_ck", "quantity <> 0"),
    index("gb_stock_move_voucher_ix", "bank_id voucher_id"),
)
table(SCHEMA, "gb_refund",
    need("bank_id", BIG), need("redemption_id", raw(16)), need("part_no", SMALL),
    need("account_no", BIG), need("refunded_on", DAY), need("quantity", BIG), need("points", BIG),
    may("refund_line_no", BIG), need("restocked", SMALL), need("voucher_id", raw(16)),
    key("gb_refund_pk", "bank_id redemption_id part_no"),
    fk("gb_refund_bank_fk", "bank_id", "gb_bank"),
    fk("gb_refund_redemption_fk", "bank_id redemption_id", "gb_redemption"),
    fk("gb_refund_head_fk", "bank_id account_no", "gb_account_head"),
    fk("gb_refund_voucher_fk", "bank_id voucher_id", "gb_voucher"),
    check("gb_refund_quantity_ck", "quantity > 0 AND points > 0 AND part_no > 0"),
    check("gb_refund_restocked_ck", "restocked IN (0, 1)"),
    index("gb_refund_account_ix", "bank_id account_no refunded_on"),
    index("gb_refund_voucher_ix", "bank_id voucher_id"),
)
APPEND_ONLY = (
    "account_line", "account_total", "customer_stay", "hold_event", "internal_move", "line_part",
    "outlet_stay", "policy", "refund", "seal", "stock_move",
)
MUTABLE_COLUMNS: dict[str, tuple[str, ...]] = {
    "account": (),
    "closing": ("state", "closed_voucher_id"),
    "hold": ("captured", "deadline_at", "event_no", "state", "settled_voucher_id"),
    "hour_record": (
        "state", "value_on", "voided_on", "points", "line_no", "policy_id", "decided_voucher_id",
        "voided_voucher_id",
    ),
    "redemption": ("quantity", "points", "state", "line_no", "redeemed_on", "settled_voucher_id"),
    "voucher": ("outbox_no",),
}
# fmt: on


def upgrade(op: Operations) -> None:
    """Tables, indexes, and the triggers that guard written history."""
    create_tables(op, *SCHEMA.sorted_tables)
    allow_guards(op)
    for name in APPEND_ONLY:
        guard(op, name)
    for name, mutable in MUTABLE_COLUMNS.items():
        columns = [column.name for column in SCHEMA.tables[f"gb_{name}"].columns]
        guard(op, name, [column for column in columns if column not in mutable])
