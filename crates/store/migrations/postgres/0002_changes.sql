-- Counts changes of a row: an update names the version it was based on and fails when that is no longer the present.
ALTER TABLE agents ADD COLUMN version bigint NOT NULL DEFAULT 1;
ALTER TABLE trunks ADD COLUMN version bigint NOT NULL DEFAULT 1;
ALTER TABLE numbers ADD COLUMN version bigint NOT NULL DEFAULT 1;

-- Who changed what. Written in the transaction of the change; never changed afterwards.
CREATE TABLE audit_log (
    id              uuid    NOT NULL PRIMARY KEY,
    organization_id uuid    NOT NULL REFERENCES organizations (id),
    at              bigint  NOT NULL,
    actor_kind      text    NOT NULL,
    actor_id        text    NOT NULL,
    address         text,
    request_id      uuid,
    action          text    NOT NULL,
    resource        text    NOT NULL,
    resource_id     text    NOT NULL,
    fields          jsonb   NOT NULL,
    CONSTRAINT audit_actor_is_known CHECK (actor_kind IN ('key', 'user', 'operator', 'system'))
);
CREATE INDEX audit_log_by_organization ON audit_log (organization_id, id);
CREATE INDEX audit_log_by_resource ON audit_log (organization_id, resource_id, id);
CREATE INDEX audit_log_by_actor ON audit_log (organization_id, actor_id, id);

-- Requests made under an Idempotency-Key. An answer is sealed: that of a new API key holds the key.
-- The organisation has no reference: an operator's requests belong to none.
CREATE TABLE idempotency_keys (
    organization_id uuid    NOT NULL,
    route           text    NOT NULL,
    key             text    NOT NULL,
    request_hash    bytea   NOT NULL,
    claim           uuid    NOT NULL,
    request_id      uuid    NOT NULL,
    created_at      bigint  NOT NULL,
    lease_until     bigint  NOT NULL,
    resource_id     text,
    answer_status   bigint,
    answer_location text,
    answer_sealed   bytea,
    answer_key      text,
    PRIMARY KEY (organization_id, route, key),
    CONSTRAINT idempotency_claim_is_unique UNIQUE (claim),
    CONSTRAINT idempotency_hash_is_sha256 CHECK (octet_length(request_hash) = 32),
    CONSTRAINT idempotency_answer_is_whole CHECK (
        (answer_status IS NULL) = (answer_sealed IS NULL) AND (answer_sealed IS NULL) = (answer_key IS NULL)
    )
);
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at);
