-- Money is whole millionths of a credit. Columns are only added: an older program goes on beside this schema.

-- What a minute of the call costs, as of its creation, and what it cost in the end.
ALTER TABLE calls ADD COLUMN rate_micros INTEGER;
ALTER TABLE calls ADD COLUMN cost_micros INTEGER;

-- One row for each organisation that ever had to do with money. The two balances follow from the ledger; they stand
-- here so that a row can be locked, and so that nothing can make them negative.
CREATE TABLE billing_accounts (
    organization_id BLOB    NOT NULL PRIMARY KEY REFERENCES organizations (id),
    available       INTEGER NOT NULL DEFAULT 0,
    reserved        INTEGER NOT NULL DEFAULT 0,
    -- Of the last entry in the ledger.
    sequence        INTEGER NOT NULL DEFAULT 0,
    trial_started_at INTEGER,
    trial_ends_at   INTEGER,
    subscription    TEXT,
    -- Counts changes of everything but the balances.
    version         INTEGER NOT NULL DEFAULT 0,
    CONSTRAINT account_available_is_not_negative CHECK (available >= 0),
    CONSTRAINT account_reserved_is_not_negative CHECK (reserved >= 0),
    CONSTRAINT account_subscription_is_json CHECK (json_valid(subscription))
) STRICT;

-- What is held for something that goes on. Ends once.
CREATE TABLE ledger_reservations (
    organization_id BLOB    NOT NULL REFERENCES organizations (id),
    id              BLOB    NOT NULL,
    is_call         INTEGER NOT NULL,
    held            INTEGER NOT NULL,
    spent           INTEGER,
    opened_at       INTEGER NOT NULL,
    closed_at       INTEGER,
    PRIMARY KEY (organization_id, id),
    CONSTRAINT reservation_held_is_not_negative CHECK (held >= 0),
    CONSTRAINT reservation_ends_with_a_sum CHECK ((closed_at IS NULL) = (spent IS NULL)),
    CONSTRAINT reservation_holds_nothing_when_it_ended CHECK (closed_at IS NULL OR held = 0)
) STRICT, WITHOUT ROWID;
CREATE INDEX reservations_open ON ledger_reservations (organization_id) WHERE closed_at IS NULL;

-- Double entry, one row for a transaction: credits move between what an organisation can spend, what is held, what
-- was spent, and where credits come from; the four changes add up to zero.
CREATE TABLE ledger (
    id               BLOB    NOT NULL PRIMARY KEY,
    organization_id  BLOB    NOT NULL REFERENCES billing_accounts (organization_id),
    sequence         INTEGER NOT NULL,
    operation        TEXT    NOT NULL,
    kind             TEXT    NOT NULL,
    available        INTEGER NOT NULL,
    reserved         INTEGER NOT NULL,
    spent            INTEGER NOT NULL,
    source           INTEGER NOT NULL,
    balance          INTEGER NOT NULL,
    balance_reserved INTEGER NOT NULL,
    reservation_id   BLOB,
    call_id          BLOB,
    refund_of        TEXT,
    note             TEXT,
    created_at       INTEGER NOT NULL,
    CONSTRAINT ledger_entry_in_organization UNIQUE (organization_id, id),
    CONSTRAINT ledger_entries_are_numbered UNIQUE (organization_id, sequence),
    CONSTRAINT ledger_operation_happens_once UNIQUE (organization_id, operation),
    CONSTRAINT ledger_entry_balances CHECK (available + reserved + spent + source = 0),
    CONSTRAINT ledger_balance_is_not_negative CHECK (balance >= 0),
    CONSTRAINT ledger_balance_reserved_is_not_negative CHECK (balance_reserved >= 0)
) STRICT;
CREATE INDEX ledger_by_reservation ON ledger (organization_id, reservation_id) WHERE reservation_id IS NOT NULL;
CREATE INDEX ledger_refunds ON ledger (organization_id, refund_of) WHERE refund_of IS NOT NULL;

CREATE TRIGGER ledger_is_never_changed BEFORE UPDATE ON ledger
BEGIN
    SELECT RAISE(ABORT, 'the ledger is only ever added to');
END;
CREATE TRIGGER ledger_is_never_shortened BEFORE DELETE ON ledger
BEGIN
    SELECT RAISE(ABORT, 'the ledger is only ever added to');
END;

-- Whom the customers of payment providers belong to.
CREATE TABLE billing_customers (
    provider        TEXT NOT NULL,
    customer        TEXT NOT NULL,
    organization_id BLOB NOT NULL REFERENCES organizations (id),
    PRIMARY KEY (provider, customer)
) STRICT, WITHOUT ROWID;

-- Names by which a payment provider may call a purchase.
CREATE TABLE billing_purchases (
    organization_id BLOB    NOT NULL REFERENCES organizations (id),
    reference       TEXT    NOT NULL,
    operation       TEXT    NOT NULL,
    credits         INTEGER NOT NULL,
    PRIMARY KEY (organization_id, reference)
) STRICT, WITHOUT ROWID;

-- Events of payment providers: taken ones, and those of customers that are nobody's yet (with their body).
CREATE TABLE billing_events (
    provider    TEXT    NOT NULL,
    id          TEXT    NOT NULL,
    customer    TEXT    NOT NULL,
    happened_at INTEGER NOT NULL,
    received_at INTEGER NOT NULL,
    waiting     TEXT,
    PRIMARY KEY (provider, id),
    CONSTRAINT billing_event_is_json CHECK (json_valid(waiting))
) STRICT, WITHOUT ROWID;
CREATE INDEX billing_events_waiting ON billing_events (provider, customer, happened_at) WHERE waiting IS NOT NULL;

-- What was used on a day (since the Unix epoch, UTC). Outlives the calls it counts.
CREATE TABLE usage_days (
    organization_id BLOB    NOT NULL REFERENCES organizations (id),
    day             INTEGER NOT NULL,
    calls           INTEGER NOT NULL,
    seconds         INTEGER NOT NULL,
    cost_micros     INTEGER NOT NULL,
    PRIMARY KEY (organization_id, day)
) STRICT, WITHOUT ROWID;
