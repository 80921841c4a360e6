"""Multiplies an agent and a call in a database, with turns, ledger and audit log, as fast as the engine takes it.

What was made through the API is the template, so nothing here knows more columns than it changes. Triggers and the
indexes that keep no rule are away meanwhile, and the totals are written once: a total that each row adds to leaves a
version behind for each row of one transaction.
"""

import sqlite3
import subprocess
import sys

# A place in the past, so that what is made later stays the newest.
BEGIN_MS = 1_700_000_000_000
AGENT, CALL, ENTRY, AUDIT = 1, 2, 3, 4
TURNS_PER_CALL = 2
ZERO = "00000000-0000-0000-0000-000000000000"
TABLES = ["agents", "calls", "call_turns", "ledger", "audit_log"]


def hex_id(kind, index):
    """Ids in the order of creation, a millisecond apart."""
    return f"{BEGIN_MS + index:012x}7{kind:03x}8000{index:012x}"


def shown_id(kind, index):
    text = hex_id(kind, index)
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


class Sqlite:
    def __init__(self, path):
        self.db = sqlite3.connect(path, isolation_level=None, timeout=60)
        self.db.create_function("made_id", 2, lambda kind, index: bytes.fromhex(hex_id(kind, index)), deterministic=True)
        self.db.create_function("made_text", 2, shown_id, deterministic=True)
        self.zero, self.metrics = "zeroblob(16)", "'{\"turns\": []}'"

    def run(self, sql):
        self.db.execute(sql)

    def columns(self, table):
        return [row[1] for row in self.db.execute(f"PRAGMA table_info({table})")]

    def literal(self, shown):
        return f"x'{shown.replace('-', '')}'"

    def series(self, count):
        return (f"(WITH RECURSIVE counted (g) AS (SELECT 0 UNION ALL SELECT g + 1 FROM counted WHERE g < {count - 1}) "
                "SELECT g FROM counted) AS series")

    def begin(self):
        self.run("PRAGMA synchronous = OFF")
        self.run("PRAGMA cache_size = -500000")
        self.run("PRAGMA temp_store = MEMORY")
        # To an old SQLite NULL is no valid JSON; the server brings a newer one.
        self.run("PRAGMA ignore_check_constraints = ON")
        self.run("BEGIN IMMEDIATE")
        listed = ", ".join(f"'{table}'" for table in TABLES)
        self.away = self.db.execute(
            "SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL AND "
            f"((type = 'index' AND sql NOT LIKE 'CREATE UNIQUE%') OR type = 'trigger') AND tbl_name IN ({listed})"
        ).fetchall()
        for kind, name, _ in self.away:
            self.run(f"DROP {kind} {name}")

    def end(self):
        for _, _, sql in self.away:
            self.run(sql)
        self.run("COMMIT")
        self.run("ANALYZE")
        self.run("PRAGMA wal_checkpoint(TRUNCATE)")
        self.db.close()


class Postgres:
    def __init__(self, address):
        self.address, self.script = address, []
        self.zero, self.metrics = f"'{ZERO}'::uuid", "'{\"turns\": []}'::jsonb"

    def ask(self, sql):
        return self.psql(["-c", sql]).splitlines()

    def psql(self, arguments, script=None):
        done = subprocess.run(["psql", "-qAtX", "-v", "ON_ERROR_STOP=1", self.address, *arguments], input=script,
                              capture_output=True, text=True)
        if done.returncode:
            sys.exit(done.stderr)
        return done.stdout

    def run(self, sql):
        self.script.append(sql)

    def columns(self, table):
        return self.ask(f"SELECT column_name FROM information_schema.columns WHERE table_name = '{table}' "
                        "AND table_schema = current_schema() ORDER BY ordinal_position")

    def literal(self, shown):
        return f"'{shown}'::uuid"

    def series(self, count):
        return f"generate_series(0::bigint, {count - 1}) AS series (g)"

    def begin(self):
        text = ("SELECT lpad(to_hex({begin} + i), 12, '0') || '7' || lpad(to_hex(kind), 3, '0') || '8000' || "
                "lpad(to_hex(i), 12, '0')").format(begin=BEGIN_MS)
        self.run(f"CREATE FUNCTION pg_temp.made_id(kind int, i bigint) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$ SELECT ({text})::uuid $$")
        self.run("CREATE FUNCTION pg_temp.made_text(kind int, i bigint) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT pg_temp.made_id(kind, i)::text $$")
        for setting in ["synchronous_commit = off", "maintenance_work_mem = '256MB'", "work_mem = '128MB'"]:
            self.run(f"SET {setting}")
        self.run("BEGIN")
        for table in TABLES:
            self.run(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        listed = ", ".join(f"'{table}'" for table in TABLES)
        away = self.ask(
            "SELECT indexname || '|' || indexdef FROM pg_indexes WHERE schemaname = current_schema() "
            f"AND tablename IN ({listed}) AND indexdef NOT LIKE 'CREATE UNIQUE%'")
        self.away = [line.split("|", 1) for line in away]
        for name, _ in self.away:
            self.run(f"DROP INDEX {name}")

    def end(self):
        for _, definition in self.away:
            self.run(definition)
        for table in TABLES:
            self.run(f"ALTER TABLE {table} ENABLE TRIGGER USER")
        self.run("COMMIT")
        # Also notes which pages all can see, as a server that has run for a while has done by itself.
        self.run("VACUUM (ANALYZE)")
        script = ";\n".join(self.script).replace("made_id(", "pg_temp.made_id(").replace("made_text(", "pg_temp.made_text(")
        self.psql(["-f", "-"], script.replace("pg_temp.pg_temp.", "pg_temp.") + ";\n")


def multiply(db, table, where, count, changes):
    names = db.columns(table)
    shown = ", ".join(changes.get(name, f"template.{name}") for name in names)
    db.run(f"CREATE TEMP TABLE template_{table} AS SELECT * FROM {table} WHERE {where}")
    db.run(f"INSERT INTO {table} ({', '.join(names)}) SELECT {shown} FROM template_{table} AS template, {db.series(count)}")


def call_rows(db, agent, call, agents_called, count):
    at = f"{BEGIN_MS} + g"
    # Nine in ten completed, and each agent has some of both.
    is_failed = f"(g / {agents_called} + g % {agents_called}) % 10 = 0"
    changes = {"id": f"made_id({CALL}, g)", "agent_id": f"made_id({AGENT}, g % {agents_called})", "started_at": at,
               "ended_at": at, "status": f"CASE WHEN {is_failed} THEN 'failed' ELSE 'completed' END"}
    multiply(db, "calls", f"id = {db.literal(call)}", count, changes)


def turn_rows(db, organization, calls):
    g = f"g / {TURNS_PER_CALL}"
    db.run(
        "INSERT INTO call_turns (organization_id, call_id, turn_index, speaker, text, started_at, ended_at, interrupted) "
        f"SELECT {organization}, made_id({CALL}, {g}), g % {TURNS_PER_CALL}, "
        f"CASE g % {TURNS_PER_CALL} WHEN 0 THEN 'agent' ELSE 'user' END, "
        f"'Good morning, this is the hotel by the sea. How can I help you?', {BEGIN_MS} + g, {BEGIN_MS} + g + 900, FALSE "
        f"FROM {db.series(calls * TURNS_PER_CALL)}")


def ledger_rows(db, organization, calls):
    """A grant, and what each call holds and then spends: a hundredth of a credit."""
    price, granted = 10_000, 10_000 * (calls + 1)
    columns = ("id, organization_id, sequence, operation, kind, available, reserved, spent, source, balance, "
               "balance_reserved, call_id, created_at")
    settles = "g % 2 = 1"
    db.run("INSERT INTO billing_accounts (organization_id, available, sequence) "
           f"VALUES ({organization}, {granted - price * calls}, {2 * calls + 1})")
    db.run(f"INSERT INTO ledger ({columns}) VALUES (made_id({ENTRY}, 0), {organization}, 1, 'grant:bench', 'grant', {granted}, 0, 0, "
           f"-{granted}, {granted}, 0, NULL, {BEGIN_MS})")
    db.run(
        f"INSERT INTO ledger ({columns}) SELECT made_id({ENTRY}, g + 1), {organization}, g + 2, "
        f"CASE WHEN {settles} THEN 'close:' ELSE 'reserve:' END || made_text({CALL}, g / 2), "
        f"CASE WHEN {settles} THEN 'settle' ELSE 'reserve' END, "
        f"CASE WHEN {settles} THEN 0 ELSE -{price} END, CASE WHEN {settles} THEN -{price} ELSE {price} END, "
        f"CASE WHEN {settles} THEN {price} ELSE 0 END, 0, {granted} - {price} * (g / 2 + 1), "
        f"CASE WHEN {settles} THEN 0 ELSE {price} END, made_id({CALL}, g / 2), {BEGIN_MS} + g "
        f"FROM {db.series(2 * calls)}")


def audit_rows(db, call, count):
    changes = {"id": f"made_id({AUDIT}, g)", "at": f"{BEGIN_MS} + g", "resource_id": f"made_text({CALL}, g)",
               "action": "'call.created'", "resource": "'call'"}
    multiply(db, "audit_log", f"id = (SELECT id FROM audit_log WHERE action = 'agent.created' LIMIT 1)", count, changes)


def totals(db):
    """As the migrations count what is there already."""
    db.run("DELETE FROM totals")
    for kind, agent, direction, status, table, group in [
        ("agents", db.zero, "''", "''", "agents", ""),
        ("calls", db.zero, "direction", "status", "calls", ", direction, status"),
        ("calls", "agent_id", "direction", "status", "calls", ", agent_id, direction, status"),
        ("audit", db.zero, "action", "actor_id", "audit_log", ", action, actor_id"),
    ]:
        db.run(f"INSERT INTO totals SELECT organization_id, '{kind}', {agent}, {direction}, {status}, COUNT(*) "
               f"FROM {table} GROUP BY organization_id{group}")


def fill(db, agent, call, agents, calls, agents_called):
    db.begin()
    organization = f"(SELECT organization_id FROM agents WHERE id = {db.literal(agent)})"
    made = {"id": f"made_id({AGENT}, g)", "created_at": f"{BEGIN_MS} + g", "updated_at": f"{BEGIN_MS} + g"}
    multiply(db, "agents", f"id = {db.literal(agent)}", agents, made)
    call_rows(db, agent, call, agents_called, calls)
    turn_rows(db, organization, calls)
    ledger_rows(db, organization, calls)
    audit_rows(db, call, calls)
    totals(db)
    db.end()
