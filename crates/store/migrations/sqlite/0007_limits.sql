-- What operators grant single organisations instead of the configured limits. What is absent is as configured.
CREATE TABLE organization_limits (
    organization_id BLOB NOT NULL PRIMARY KEY REFERENCES organizations (id),
    limits          TEXT NOT NULL,
    CONSTRAINT organization_limits_are_json CHECK (json_valid(limits))
) STRICT;
