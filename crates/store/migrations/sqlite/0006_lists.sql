-- Lists stay fast however long they grow: an index for every set of filters the API knows, and their totals kept,
-- as counting a million rows takes longer than everything else about a page.

CREATE INDEX calls_by_status ON calls (organization_id, status, id);
CREATE INDEX calls_by_direction ON calls (organization_id, direction, id);
CREATE INDEX calls_by_direction_and_status ON calls (organization_id, direction, status, id);
CREATE INDEX calls_by_agent_and_status ON calls (organization_id, agent_id, status, id);
CREATE INDEX calls_by_agent_and_direction ON calls (organization_id, agent_id, direction, id);
CREATE INDEX calls_by_agent_direction_and_status ON calls (organization_id, agent_id, direction, status, id);

-- How many agents an organisation has; and how many calls in each direction and status, of each agent and (under the
-- id of zeros) of all. The unused columns of agents are empty. A row may be 0.
CREATE TABLE totals (
    organization_id BLOB    NOT NULL,
    kind            TEXT    NOT NULL,
    agent_id        BLOB    NOT NULL,
    direction       TEXT    NOT NULL,
    status          TEXT    NOT NULL,
    total           INTEGER NOT NULL,
    PRIMARY KEY (organization_id, kind, agent_id, direction, status),
    CONSTRAINT total_is_not_negative CHECK (total >= 0)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER agent_counted AFTER INSERT ON agents
BEGIN
    INSERT INTO totals VALUES (NEW.organization_id, 'agents', zeroblob(16), '', '', 1)
    ON CONFLICT DO UPDATE SET total = total + 1;
END;

CREATE TRIGGER agent_discounted AFTER DELETE ON agents
BEGIN
    UPDATE totals SET total = total - 1
    WHERE organization_id = OLD.organization_id AND kind = 'agents' AND agent_id = zeroblob(16);
END;

CREATE TRIGGER call_counted AFTER INSERT ON calls
BEGIN
    INSERT INTO totals VALUES
        (NEW.organization_id, 'calls', zeroblob(16), NEW.direction, NEW.status, 1),
        (NEW.organization_id, 'calls', NEW.agent_id, NEW.direction, NEW.status, 1)
    ON CONFLICT DO UPDATE SET total = total + 1;
END;

CREATE TRIGGER call_recounted AFTER UPDATE OF organization_id, agent_id, direction, status ON calls
BEGIN
    UPDATE totals SET total = total - 1
    WHERE organization_id = OLD.organization_id AND kind = 'calls' AND agent_id IN (zeroblob(16), OLD.agent_id)
      AND direction = OLD.direction AND status = OLD.status;
    INSERT INTO totals VALUES
        (NEW.organization_id, 'calls', zeroblob(16), NEW.direction, NEW.status, 1),
        (NEW.organization_id, 'calls', NEW.agent_id, NEW.direction, NEW.status, 1)
    ON CONFLICT DO UPDATE SET total = total + 1;
END;

CREATE TRIGGER call_discounted AFTER DELETE ON calls
BEGIN
    UPDATE totals SET total = total - 1
    WHERE organization_id = OLD.organization_id AND kind = 'calls' AND agent_id IN (zeroblob(16), OLD.agent_id)
      AND direction = OLD.direction AND status = OLD.status;
END;

-- What is there already.
INSERT INTO totals SELECT organization_id, 'agents', zeroblob(16), '', '', COUNT(*) FROM agents GROUP BY organization_id;
INSERT INTO totals SELECT organization_id, 'calls', zeroblob(16), direction, status, COUNT(*) FROM calls
GROUP BY organization_id, direction, status;
INSERT INTO totals SELECT organization_id, 'calls', agent_id, direction, status, COUNT(*) FROM calls
GROUP BY organization_id, agent_id, direction, status;
