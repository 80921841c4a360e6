-- Ids are UUIDv7 as 16 bytes: half the size of text, and their byte order is the order of creation.
-- Times are milliseconds since the Unix epoch. Every tenant row names its organisation, and so does every index
-- over tenant rows. References between tenant rows carry the organisation, so none can cross tenants.

CREATE TABLE organizations (
    id         BLOB    NOT NULL PRIMARY KEY,
    name       TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    CONSTRAINT organization_id_is_uuid CHECK (length(id) = 16)
) STRICT;

CREATE TABLE api_keys (
    id              BLOB    NOT NULL PRIMARY KEY,
    organization_id BLOB    NOT NULL REFERENCES organizations (id),
    name            TEXT    NOT NULL,
    prefix          TEXT    NOT NULL,
    hash            BLOB    NOT NULL,
    scopes          TEXT    NOT NULL,
    expires_at      INTEGER,
    revoked_at      INTEGER,
    last_used_at    INTEGER,
    created_at      INTEGER NOT NULL,
    CONSTRAINT api_key_prefix_is_unique UNIQUE (prefix),
    CONSTRAINT api_key_in_organization UNIQUE (organization_id, id),
    CONSTRAINT api_key_hash_is_sha256 CHECK (length(hash) = 32)
) STRICT;

CREATE TABLE agents (
    id              BLOB    NOT NULL PRIMARY KEY,
    organization_id BLOB    NOT NULL REFERENCES organizations (id),
    settings        TEXT    NOT NULL,
    last_error      TEXT,
    created_at      INTEGER NOT NULL,
    updated_at      INTEGER NOT NULL,
    CONSTRAINT agent_in_organization UNIQUE (organization_id, id),
    CONSTRAINT agent_settings_are_json CHECK (json_valid(settings))
) STRICT;

-- Without an organisation a voice is the system's, and everyone's.
CREATE TABLE voices (
    id                BLOB    NOT NULL PRIMARY KEY,
    organization_id   BLOB    REFERENCES organizations (id),
    name              TEXT    NOT NULL,
    type              TEXT    NOT NULL,
    status            TEXT    NOT NULL,
    provider          TEXT    NOT NULL,
    provider_voice_id TEXT    NOT NULL,
    language          TEXT    NOT NULL,
    last_error        TEXT,
    created_at        INTEGER NOT NULL,
    CONSTRAINT voice_of_system_has_no_organization CHECK ((type = 'system') = (organization_id IS NULL))
) STRICT;
CREATE INDEX voices_by_organization ON voices (organization_id, id);
CREATE UNIQUE INDEX voice_of_system_is_unique ON voices (provider, provider_voice_id) WHERE organization_id IS NULL;

CREATE TABLE trunks (
    id               BLOB    NOT NULL PRIMARY KEY,
    organization_id  BLOB    NOT NULL REFERENCES organizations (id),
    name             TEXT    NOT NULL,
    provider         TEXT    NOT NULL,
    host             TEXT    NOT NULL,
    port             INTEGER NOT NULL,
    transport        TEXT    NOT NULL,
    username         TEXT,
    password_sealed  BLOB,
    password_key     TEXT,
    register         INTEGER NOT NULL,
    source_addresses TEXT    NOT NULL,
    allow_sip_uri    INTEGER NOT NULL,
    created_at       INTEGER NOT NULL,
    updated_at       INTEGER NOT NULL,
    CONSTRAINT trunk_in_organization UNIQUE (organization_id, id),
    CONSTRAINT trunk_port_in_range CHECK (port BETWEEN 1 AND 65535),
    CONSTRAINT trunk_password_names_its_key CHECK ((password_sealed IS NULL) = (password_key IS NULL))
) STRICT;

CREATE TABLE numbers (
    id                BLOB    NOT NULL PRIMARY KEY,
    organization_id   BLOB    NOT NULL REFERENCES organizations (id),
    phone_number      TEXT    NOT NULL,
    provider          TEXT    NOT NULL,
    trunk_id          BLOB    NOT NULL,
    label             TEXT,
    country           TEXT,
    inbound_agent_id  BLOB,
    outbound_agent_id BLOB,
    created_at        INTEGER NOT NULL,
    CONSTRAINT number_in_organization UNIQUE (organization_id, id),
    -- Across organisations: the telephone network knows no tenants.
    CONSTRAINT number_is_known_once UNIQUE (phone_number),
    CONSTRAINT number_lives_on_trunk FOREIGN KEY (organization_id, trunk_id) REFERENCES trunks (organization_id, id),
    CONSTRAINT number_inbound_agent FOREIGN KEY (organization_id, inbound_agent_id)
        REFERENCES agents (organization_id, id),
    CONSTRAINT number_outbound_agent FOREIGN KEY (organization_id, outbound_agent_id)
        REFERENCES agents (organization_id, id)
) STRICT;
CREATE INDEX numbers_by_trunk ON numbers (organization_id, trunk_id);
CREATE INDEX numbers_by_inbound_agent ON numbers (organization_id, inbound_agent_id);
CREATE INDEX numbers_by_outbound_agent ON numbers (organization_id, outbound_agent_id);

-- agent_id has no reference: calls outlive their agents.
CREATE TABLE calls (
    id              BLOB    NOT NULL PRIMARY KEY,
    organization_id BLOB    NOT NULL REFERENCES organizations (id),
    agent_id        BLOB    NOT NULL,
    status          TEXT    NOT NULL,
    direction       TEXT    NOT NULL,
    from_number     TEXT,
    to_number       TEXT,
    started_at      INTEGER NOT NULL,
    answered_at     INTEGER,
    ended_at        INTEGER,
    end_reason      TEXT,
    cost_credits    REAL,
    summary         TEXT,
    recorded        INTEGER NOT NULL,
    metrics         TEXT    NOT NULL,
    variables       TEXT    NOT NULL,
    metadata        TEXT    NOT NULL,
    dtmf            TEXT    NOT NULL,
    last_error      TEXT,
    CONSTRAINT call_in_organization UNIQUE (organization_id, id),
    CONSTRAINT call_is_over_when_it_ended CHECK (
        (ended_at IS NOT NULL) = (status IN ('completed', 'failed', 'cancelled'))
    )
) STRICT;
CREATE INDEX calls_unfinished ON calls (organization_id, id) WHERE ended_at IS NULL;
CREATE INDEX calls_by_agent ON calls (organization_id, agent_id, id);

CREATE TABLE call_turns (
    organization_id BLOB    NOT NULL,
    call_id         BLOB    NOT NULL,
    turn_index      INTEGER NOT NULL,
    speaker         TEXT    NOT NULL,
    text            TEXT    NOT NULL,
    started_at      INTEGER NOT NULL,
    ended_at        INTEGER NOT NULL,
    interrupted     INTEGER NOT NULL,
    PRIMARY KEY (organization_id, call_id, turn_index),
    CONSTRAINT turn_of_call FOREIGN KEY (organization_id, call_id)
        REFERENCES calls (organization_id, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
