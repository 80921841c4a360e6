-- The same tables, columns and names as in SQLite, as PostgreSQL's own types. Times are milliseconds since the Unix
-- epoch. Every tenant row names its organisation, and so does every index over tenant rows. References between tenant
-- rows carry the organisation, so none can cross tenants.

CREATE TABLE organizations (
    id         uuid    NOT NULL PRIMARY KEY,
    name       text    NOT NULL,
    created_at bigint  NOT NULL
);

CREATE TABLE api_keys (
    id              uuid    NOT NULL PRIMARY KEY,
    organization_id uuid    NOT NULL REFERENCES organizations (id),
    name            text    NOT NULL,
    prefix          text    NOT NULL,
    hash            bytea   NOT NULL,
    scopes          jsonb   NOT NULL,
    expires_at      bigint,
    revoked_at      bigint,
    last_used_at    bigint,
    created_at      bigint  NOT NULL,
    CONSTRAINT api_key_prefix_is_unique UNIQUE (prefix),
    CONSTRAINT api_key_in_organization UNIQUE (organization_id, id),
    CONSTRAINT api_key_hash_is_sha256 CHECK (length(hash) = 32)
);

CREATE TABLE agents (
    id              uuid    NOT NULL PRIMARY KEY,
    organization_id uuid    NOT NULL REFERENCES organizations (id),
    settings        jsonb   NOT NULL,
    last_error      jsonb,
    created_at      bigint  NOT NULL,
    updated_at      bigint  NOT NULL,
    CONSTRAINT agent_in_organization UNIQUE (organization_id, id)
);

-- Without an organisation a voice is the system's, and everyone's.
CREATE TABLE voices (
    id                uuid    NOT NULL PRIMARY KEY,
    organization_id   uuid    REFERENCES organizations (id),
    name              text    NOT NULL,
    type              text    NOT NULL,
    status            text    NOT NULL,
    provider          text    NOT NULL,
    provider_voice_id text    NOT NULL,
    language          text    NOT NULL,
    last_error        jsonb,
    created_at        bigint  NOT NULL,
    CONSTRAINT voice_of_system_has_no_organization CHECK ((type = 'system') = (organization_id IS NULL))
);
CREATE INDEX voices_by_organization ON voices (organization_id, id);
CREATE UNIQUE INDEX voice_of_system_is_unique ON voices (provider, provider_voice_id) WHERE organization_id IS NULL;

CREATE TABLE trunks (
    id               uuid    NOT NULL PRIMARY KEY,
    organization_id  uuid    NOT NULL REFERENCES organizations (id),
    name             text    NOT NULL,
    provider         text    NOT NULL,
    host             text    NOT NULL,
    port             bigint  NOT NULL,
    transport        text    NOT NULL,
    username         text,
    password_sealed  bytea,
    password_key     text,
    register         boolean NOT NULL,
    source_addresses jsonb   NOT NULL,
    allow_sip_uri    boolean NOT NULL,
    created_at       bigint  NOT NULL,
    updated_at       bigint  NOT NULL,
    CONSTRAINT trunk_in_organization UNIQUE (organization_id, id),
    CONSTRAINT trunk_port_in_range CHECK (port BETWEEN 1 AND 65535),
    CONSTRAINT trunk_password_names_its_key CHECK ((password_sealed IS NULL) = (password_key IS NULL))
);

CREATE TABLE numbers (
    id                uuid    NOT NULL PRIMARY KEY,
    organization_id   uuid    NOT NULL REFERENCES organizations (id),
    phone_number      text    NOT NULL,
    provider          text    NOT NULL,
    trunk_id          uuid    NOT NULL,
    label             text,
    country           text,
    inbound_agent_id  uuid,
    outbound_agent_id uuid,
    created_at        bigint  NOT NULL,
    CONSTRAINT number_in_organization UNIQUE (organization_id, id),
    -- Across organisations: the telephone network knows no tenants.
    CONSTRAINT number_is_known_once UNIQUE (phone_number),
    CONSTRAINT number_lives_on_trunk FOREIGN KEY (organization_id, trunk_id) REFERENCES trunks (organization_id, id),
    CONSTRAINT number_inbound_agent FOREIGN KEY (organization_id, inbound_agent_id)
        REFERENCES agents (organization_id, id),
    CONSTRAINT number_outbound_agent FOREIGN KEY (organization_id, outbound_agent_id)
        REFERENCES agents (organization_id, id)
);
CREATE INDEX numbers_by_trunk ON numbers (organization_id, trunk_id);
CREATE INDEX numbers_by_inbound_agent ON numbers (organization_id, inbound_agent_id);
CREATE INDEX numbers_by_outbound_agent ON numbers (organization_id, outbound_agent_id);

-- agent_id has no reference: calls outlive their agents.
CREATE TABLE calls (
    id              uuid    NOT NULL PRIMARY KEY,
    organization_id uuid    NOT NULL REFERENCES organizations (id),
    agent_id        uuid    NOT NULL,
    status          text    NOT NULL,
    direction       text    NOT NULL,
    from_number     text,
    to_number       text,
    started_at      bigint  NOT NULL,
    answered_at     bigint,
    ended_at        bigint,
    end_reason      text,
    cost_credits    double precision,
    summary         text,
    recorded        boolean NOT NULL,
    metrics         jsonb   NOT NULL,
    variables       jsonb   NOT NULL,
    metadata        jsonb   NOT NULL,
    dtmf            text    NOT NULL,
    last_error      jsonb,
    CONSTRAINT call_in_organization UNIQUE (organization_id, id),
    CONSTRAINT call_is_over_when_it_ended CHECK (
        (ended_at IS NOT NULL) = (status IN ('completed', 'failed', 'cancelled'))
    )
);
CREATE INDEX calls_unfinished ON calls (organization_id, id) WHERE ended_at IS NULL;
CREATE INDEX calls_by_agent ON calls (organization_id, agent_id, id);

CREATE TABLE call_turns (
    organization_id uuid    NOT NULL,
    call_id         uuid    NOT NULL,
    turn_index      bigint  NOT NULL,
    speaker         text    NOT NULL,
    text            text    NOT NULL,
    started_at      bigint  NOT NULL,
    ended_at        bigint  NOT NULL,
    interrupted     boolean NOT NULL,
    PRIMARY KEY (organization_id, call_id, turn_index),
    CONSTRAINT turn_of_call FOREIGN KEY (organization_id, call_id)
        REFERENCES calls (organization_id, id) ON DELETE CASCADE
);
