-- Requests that failed, for those who are asked about one by its id. No reference to the organisation: what is kept
-- here is forgotten by its age, and an organisation's end must not wait for it.
CREATE TABLE failed_requests (
    id BLOB NOT NULL PRIMARY KEY,
    class TEXT NOT NULL,
    organization_id BLOB,
    at INTEGER NOT NULL,
    method TEXT,
    route TEXT,
    status INTEGER NOT NULL,
    code TEXT NOT NULL,
    reason TEXT NOT NULL,
    duration_ms INTEGER NOT NULL,
    client_request_id TEXT,
    address TEXT,
    cause TEXT,
    lines TEXT NOT NULL,
    lines_omitted INTEGER NOT NULL
);

CREATE INDEX failed_requests_by_class ON failed_requests (class, id);
CREATE INDEX failed_requests_by_organization ON failed_requests (organization_id, id);
CREATE INDEX failed_requests_by_age ON failed_requests (at);
