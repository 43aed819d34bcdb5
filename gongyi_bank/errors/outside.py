"""Faults outside the rules: files that cannot be taken over, and the database."""

from __future__ import annotations

from gongyi_bank.errors.base import GongyiBankError


class TakeoverError(GongyiBankError):
    """A file or folder that cannot be taken over. Nothing of it was written."""

    code = "takeover"


class FileUnreadable(TakeoverError):
    """The file or folder is missing or incomplete, neither UTF-8 nor GB18030, or no CSV."""

    code = "file_unreadable"
    zh = "无法读取 {file}：{reason}"
    en = "cannot read {file}: {reason}"
    next_zh = "请核对路径、内容和编码（UTF-8 或 GB18030）"
    next_en = "Check the path, the content and the encoding (UTF-8 or GB18030)"


class ColumnMissing(TakeoverError):
    """The header lacks a column."""

    code = "column_missing"
    zh = "{file} 缺少列 {columns}；现有列：{found}"
    en = "{file} lacks the column(s) {columns}; it has {found}"
    next_zh = "请补齐表头"
    next_en = "Add them to the header"


class TakenOverBefore(TakeoverError):
    """The database already holds what the folder would bring."""

    code = "taken_over_before"
    zh = "{database} 中已有这些账目"
    en = "{database} already holds these books"
    next_zh = "请打开它查看，或换一个数据库"
    next_en = "Open it and look, or name another database"


class EngineError(GongyiBankError):
    """The database failed or cannot be used; no rule was at fault."""

    code = "engine"
    zh = "数据库错误：{reason}"
    en = "database error: {reason}"
    next_zh = "请查看数据库状态"
    next_en = "Look at the database"


class DatabaseUnreachable(EngineError):
    """No connection could be made when a bank was opened: address, name, user or password."""

    code = "database_unreachable"
    zh = "无法连接数据库 {database}：{reason}"
    en = "cannot connect to {database}: {reason}"
    next_zh = "请核对地址、库名、用户和密码，并确认服务器已启动"
    next_en = "Check the address, the names and the password, and that the server is up"


class EngineUnsupported(EngineError):
    """No dialect of this name is supported, or its driver is not installed."""

    code = "engine_unsupported"
    zh = "不支持的数据库 {engine}：{reason}"
    en = "the engine {engine} cannot be used: {reason}"
    next_zh = "支持 SQLite、PostgreSQL、MariaDB 与 MySQL；地址形如 sqlite:///bank.db"
    next_en = "SQLite, PostgreSQL, MariaDB and MySQL are; a URL looks like sqlite:///bank.db"


class EngineSettingsUnsafe(EngineError):
    """The server or connection runs with a setting under which acknowledged acts can be lost."""

    code = "engine_settings_unsafe"
    zh = "数据库设置不安全：{reason}"
    en = "unsafe database settings: {reason}"
    next_zh = "请修正设置后再开行"
    next_en = "Change them before you open the bank"


class SchemaOutdated(EngineError):
    """The database has an older schema than this version of the library was written for."""

    code = "schema_outdated"
    zh = "数据库表结构为 {found} 版，本库需要 {newest} 版"
    en = "the schema of the database is {found}, and this version needs {newest}"
    next_zh = "请先备份，再运行 python -m gongyi_bank.migrate --database URL"
    next_en = "Back it up, then run python -m gongyi_bank.migrate --database URL"


class SchemaTooNew(EngineError):
    """The database was migrated by a newer version of the library than this one."""

    code = "schema_too_new"
    zh = "数据库表结构为 {found} 版，本库只认识到 {newest} 版"
    en = "the schema of the database is {found}, and this version knows {newest} at most"
    next_zh = "请升级 gongyi-bank"
    next_en = "Upgrade gongyi-bank"


class SchemaUnknown(EngineError):
    """The database holds banks, but its schema is no release's (or its version row was lost)."""

    code = "schema_unknown"
    zh = "数据库表结构不属于任何已发布版本（记录的版本：{found}）"
    en = "the schema of the database is of no released version (recorded: {found})"
    next_zh = "请从备份恢复，或换一个数据库"
    next_en = "Restore a backup, or name another database"


class LockOutOfOrder(EngineError):
    """A transaction of several acts takes its locks in an order that can end in a deadlock."""

    code = "lock_out_of_order"
    zh = "本事务已锁定 {holding}，此后再锁 {wanted} 可能与他人互相等待"
    en = "{wanted} must be locked before {holding}, which this transaction holds already"
    next_zh = "请先用 counter.lock(accounts=…, stores=…) 一次锁定，或调整各项业务的先后"
    next_en = "Use counter.lock(accounts=…, stores=…) before the first act, or sort the acts"


class RetryTransaction(EngineError):
    """Certainly not applied: deadlock, serialization failure or lock timeout. Run it all again."""

    code = "retry_transaction"
    retryable = True
    zh = "事务未生效（{reason}）"
    en = "the transaction was not applied ({reason})"
    next_zh = "请回滚并以同一键整体重试"
    next_en = "Roll back and run all of it again with the same keys"


class BlockUndone(EngineError):
    """A statement of the caller's failed in a `within` block, which went on; all of it is undone.

    The transaction around the block goes on, with what it held before.
    """

    code = "block_undone"
    zh = "块内有一条语句失败，该块已全部撤销"
    en = "a statement failed inside the block, so all of the block was undone"
    next_zh = "块外的事务仍可继续；请勿吞掉块内语句的错误，或为该语句另设保存点"
    next_en = (
        "The transaction around it goes on; let such an error leave the block, or give the"
        " statement a savepoint of its own"
    )


class OutcomeUnknown(EngineError):
    """The answer to COMMIT was lost. Submitting the same key again tells the truth."""

    code = "outcome_unknown"
    zh = "提交结果未知（键 {key}：{reason}）"
    en = "the outcome of the commit is unknown (key {key}: {reason})"
    next_zh = "请以同一键再次提交以得知结果"
    next_en = "Submit the same key again to learn it"
