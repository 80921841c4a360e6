-- Programs that hold calls on this database, and how often each said that it is alive.
CREATE TABLE nodes (
    id      uuid   NOT NULL PRIMARY KEY,
    -- The process that is this node now.
    run     uuid   NOT NULL,
    beats   bigint NOT NULL,
    seen_at bigint NOT NULL
);

-- Which of them holds a call. Calls of older programs belong to none.
ALTER TABLE calls ADD COLUMN node_id uuid;
-- When somebody asked another node to end it.
ALTER TABLE calls ADD COLUMN end_requested_at bigint;
