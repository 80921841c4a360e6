-- Programs that hold calls on this database, and how often each said that it is alive.
CREATE TABLE nodes (
    id      BLOB    NOT NULL PRIMARY KEY,
    -- The process that is this node now.
    run     BLOB    NOT NULL,
    beats   INTEGER NOT NULL,
    seen_at INTEGER NOT NULL
) STRICT;

-- Which of them holds a call. Calls of older programs belong to none.
ALTER TABLE calls ADD COLUMN node_id BLOB;
-- When somebody asked another node to end it.
ALTER TABLE calls ADD COLUMN end_requested_at INTEGER;
