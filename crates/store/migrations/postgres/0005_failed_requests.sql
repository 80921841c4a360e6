-- Requests that failed, for those who are asked about one by its id. No reference to the organisation: what is kept
-- here is forgotten by its age, and an organisation's end must not wait for it.
CREATE TABLE failed_requests (
    id uuid NOT NULL CONSTRAINT failed_requests_pkey PRIMARY KEY,
    class text NOT NULL,
    organization_id uuid,
    at bigint NOT NULL,
    method text,
    route text,
    status bigint NOT NULL,
    code text NOT NULL,
    reason text NOT NULL,
    duration_ms bigint NOT NULL,
    client_request_id text,
    address text,
    cause text,
    lines jsonb NOT NULL,
    lines_omitted bigint NOT NULL
);

CREATE INDEX failed_requests_by_class ON failed_requests (class, id);
CREATE INDEX failed_requests_by_organization ON failed_requests (organization_id, id);
CREATE INDEX failed_requests_by_age ON failed_requests (at);
