-- Counts changes of a row: an update names the version it was based on and fails when that is no longer the present.
ALTER TABLE agents ADD COLUMN version INTEGER NOT NULL DEFAULT 1;
ALTER TABLE trunks ADD COLUMN version INTEGER NOT NULL DEFAULT 1;
ALTER TABLE numbers ADD COLUMN version INTEGER NOT NULL DEFAULT 1;

-- Who changed what. Written in the transaction of the change; never changed afterwards.
CREATE TABLE audit_log (
    id              BLOB    NOT NULL PRIMARY KEY,
    organization_id BLOB    NOT NULL REFERENCES organizations (id),
    at              INTEGER NOT NULL,
    actor_kind      TEXT    NOT NULL,
    actor_id        TEXT    NOT NULL,
    address         TEXT,
    request_id      BLOB,
    action          TEXT    NOT NULL,
    resource        TEXT    NOT NULL,
    resource_id     TEXT    NOT NULL,
    fields          TEXT    NOT NULL,
    CONSTRAINT audit_actor_is_known CHECK (actor_kind IN ('key', 'user', 'operator', 'system')),
    CONSTRAINT audit_fields_are_json CHECK (json_valid(fields))
) STRICT;
CREATE INDEX audit_log_by_organization ON audit_log (organization_id, id);
CREATE INDEX audit_log_by_resource ON audit_log (organization_id, resource_id, id);
CREATE INDEX audit_log_by_actor ON audit_log (organization_id, actor_id, id);

-- Requests made under an Idempotency-Key. An answer is sealed: that of a new API key holds the key.
-- The organisation has no reference: an operator's requests belong to none.
CREATE TABLE idempotency_keys (
    organization_id BLOB    NOT NULL,
    route           TEXT    NOT NULL,
    key             TEXT    NOT NULL,
    request_hash    BLOB    NOT NULL,
    claim           BLOB    NOT NULL,
    request_id      BLOB    NOT NULL,
    created_at      INTEGER NOT NULL,
    lease_until     INTEGER NOT NULL,
    resource_id     TEXT,
    answer_status   INTEGER,
    answer_location TEXT,
    answer_sealed   BLOB,
    answer_key      TEXT,
    PRIMARY KEY (organization_id, route, key),
    CONSTRAINT idempotency_claim_is_unique UNIQUE (claim),
    CONSTRAINT idempotency_hash_is_sha256 CHECK (length(request_hash) = 32),
    CONSTRAINT idempotency_answer_is_whole CHECK (
        (answer_status IS NULL) = (answer_sealed IS NULL) AND (answer_sealed IS NULL) = (answer_key IS NULL)
    )
) STRICT;
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at);
