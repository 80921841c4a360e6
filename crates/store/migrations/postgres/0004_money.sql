-- Money is whole millionths of a credit. Columns are only added: an older program goes on beside this schema.

-- What a minute of the call costs, as of its creation, and what it cost in the end.
ALTER TABLE calls ADD COLUMN rate_micros bigint;
ALTER TABLE calls ADD COLUMN cost_micros bigint;

-- One row for each organisation that ever had to do with money. The two balances follow from the ledger; they stand
-- here so that a row can be locked, and so that nothing can make them negative.
CREATE TABLE billing_accounts (
    organization_id uuid    NOT NULL PRIMARY KEY REFERENCES organizations (id),
    available       bigint NOT NULL DEFAULT 0,
    reserved        bigint NOT NULL DEFAULT 0,
    -- Of the last entry in the ledger.
    sequence        bigint NOT NULL DEFAULT 0,
    trial_started_at bigint,
    trial_ends_at   bigint,
    subscription    jsonb,
    -- Counts changes of everything but the balances.
    version         bigint NOT NULL DEFAULT 0,
    CONSTRAINT account_available_is_not_negative CHECK (available >= 0),
    CONSTRAINT account_reserved_is_not_negative CHECK (reserved >= 0)
);

-- What is held for something that goes on. Ends once.
CREATE TABLE ledger_reservations (
    organization_id uuid    NOT NULL REFERENCES organizations (id),
    id              uuid    NOT NULL,
    is_call         boolean NOT NULL,
    held            bigint NOT NULL,
    spent           bigint,
    opened_at       bigint NOT NULL,
    closed_at       bigint,
    PRIMARY KEY (organization_id, id),
    CONSTRAINT reservation_held_is_not_negative CHECK (held >= 0),
    CONSTRAINT reservation_ends_with_a_sum CHECK ((closed_at IS NULL) = (spent IS NULL)),
    CONSTRAINT reservation_holds_nothing_when_it_ended CHECK (closed_at IS NULL OR held = 0)
);
CREATE INDEX reservations_open ON ledger_reservations (organization_id) WHERE closed_at IS NULL;

-- Double entry, one row for a transaction: credits move between what an organisation can spend, what is held, what
-- was spent, and where credits come from; the four changes add up to zero.
CREATE TABLE ledger (
    id               uuid    NOT NULL PRIMARY KEY,
    organization_id  uuid    NOT NULL REFERENCES billing_accounts (organization_id),
    sequence         bigint NOT NULL,
    operation        text    NOT NULL,
    kind             text    NOT NULL,
    available        bigint NOT NULL,
    reserved         bigint NOT NULL,
    spent            bigint NOT NULL,
    source           bigint NOT NULL,
    balance          bigint NOT NULL,
    balance_reserved bigint NOT NULL,
    reservation_id   uuid,
    call_id          uuid,
    refund_of        text,
    note             text,
    created_at       bigint NOT NULL,
    CONSTRAINT ledger_entry_in_organization UNIQUE (organization_id, id),
    CONSTRAINT ledger_entries_are_numbered UNIQUE (organization_id, sequence),
    CONSTRAINT ledger_operation_happens_once UNIQUE (organization_id, operation),
    CONSTRAINT ledger_entry_balances CHECK (available + reserved + spent + source = 0),
    CONSTRAINT ledger_balance_is_not_negative CHECK (balance >= 0),
    CONSTRAINT ledger_balance_reserved_is_not_negative CHECK (balance_reserved >= 0)
);
CREATE INDEX ledger_by_reservation ON ledger (organization_id, reservation_id) WHERE reservation_id IS NOT NULL;
CREATE INDEX ledger_refunds ON ledger (organization_id, refund_of) WHERE refund_of IS NOT NULL;

CREATE FUNCTION ledger_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the ledger is only ever added to';
END
$$;
CREATE TRIGGER ledger_is_never_changed BEFORE UPDATE OR DELETE ON ledger
    FOR EACH ROW EXECUTE FUNCTION ledger_refuse_change();
CREATE TRIGGER ledger_is_never_emptied BEFORE TRUNCATE ON ledger
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_change();

-- Whom the customers of payment providers belong to.
CREATE TABLE billing_customers (
    provider        text NOT NULL,
    customer        text NOT NULL,
    organization_id uuid NOT NULL REFERENCES organizations (id),
    PRIMARY KEY (provider, customer)
);

-- Names by which a payment provider may call a purchase.
CREATE TABLE billing_purchases (
    organization_id uuid    NOT NULL REFERENCES organizations (id),
    reference       text    NOT NULL,
    operation       text    NOT NULL,
    credits         bigint NOT NULL,
    PRIMARY KEY (organization_id, reference)
);

-- Events of payment providers: taken ones, and those of customers that are nobody's yet (with their body).
CREATE TABLE billing_events (
    provider    text    NOT NULL,
    id          text    NOT NULL,
    customer    text    NOT NULL,
    happened_at bigint NOT NULL,
    received_at bigint NOT NULL,
    waiting     jsonb,
    PRIMARY KEY (provider, id)
);
CREATE INDEX billing_events_waiting ON billing_events (provider, customer, happened_at) WHERE waiting IS NOT NULL;

-- What was used on a day (since the Unix epoch, UTC). Outlives the calls it counts.
CREATE TABLE usage_days (
    organization_id uuid    NOT NULL REFERENCES organizations (id),
    day             bigint NOT NULL,
    calls           bigint NOT NULL,
    seconds         bigint NOT NULL,
    cost_micros     bigint NOT NULL,
    PRIMARY KEY (organization_id, day)
);
