-- From where a key may be used and how often; empty: from anywhere, and as its organisation may.
ALTER TABLE api_keys ADD COLUMN ip_allowlist TEXT NOT NULL DEFAULT '[]';
ALTER TABLE api_keys ADD COLUMN rate_limits TEXT NOT NULL DEFAULT '{}';
ALTER TABLE api_keys ADD COLUMN version INTEGER NOT NULL DEFAULT 1;
ALTER TABLE organizations ADD COLUMN version INTEGER NOT NULL DEFAULT 1;

-- People who belong to an organisation, by the subject of their tokens.
CREATE TABLE members (
    id              BLOB    NOT NULL PRIMARY KEY,
    organization_id BLOB    NOT NULL REFERENCES organizations (id),
    subject         TEXT    NOT NULL,
    name            TEXT,
    role            TEXT    NOT NULL,
    created_at      INTEGER NOT NULL,
    updated_at      INTEGER NOT NULL,
    version         INTEGER NOT NULL DEFAULT 1,
    CONSTRAINT member_in_organization UNIQUE (organization_id, id),
    CONSTRAINT member_subject_is_unique UNIQUE (organization_id, subject),
    CONSTRAINT member_role_is_known CHECK (role IN ('viewer', 'member', 'admin', 'owner'))
) STRICT;
