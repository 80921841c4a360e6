-- What operators grant single organisations instead of the configured limits. What is absent is as configured.
CREATE TABLE organization_limits (
    organization_id uuid  NOT NULL PRIMARY KEY REFERENCES organizations (id),
    limits          jsonb NOT NULL
);
