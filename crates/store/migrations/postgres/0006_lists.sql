-- Lists stay fast however long they grow: their totals are kept, as counting a million rows takes longer than
-- everything else about a page; and there is an index for every set of filters the API knows (0009).

-- How many agents an organisation has; and how many calls in each direction and status, of each agent and (under the
-- id of zeros) of all. The unused columns of agents are empty. A row may be 0.
CREATE TABLE totals (
    organization_id uuid    NOT NULL,
    kind            text    NOT NULL,
    agent_id        uuid    NOT NULL,
    direction       text    NOT NULL,
    status          text    NOT NULL,
    total           bigint  NOT NULL,
    PRIMARY KEY (organization_id, kind, agent_id, direction, status),
    CONSTRAINT total_is_not_negative CHECK (total >= 0)
) WITH (fillfactor = 50);

CREATE FUNCTION agent_count() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO totals AS kept VALUES (
        CASE TG_OP WHEN 'DELETE' THEN OLD.organization_id ELSE NEW.organization_id END,
        'agents', '00000000-0000-0000-0000-000000000000', '', '', 1
    )
    ON CONFLICT (organization_id, kind, agent_id, direction, status)
        DO UPDATE SET total = kept.total + CASE TG_OP WHEN 'DELETE' THEN -1 ELSE 1 END;
    RETURN NULL;
END $$;

-- In the order of the key, so that two transactions never wait for each other.
CREATE FUNCTION call_count() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    change record;
BEGIN
    FOR change IN
        SELECT organization_id, agent_id, direction, status, SUM(step) AS step FROM (
            SELECT NEW.organization_id, agent_id, NEW.direction, NEW.status, 1 AS step
            FROM unnest(ARRAY['00000000-0000-0000-0000-000000000000', NEW.agent_id]) AS agent_id
            WHERE TG_OP <> 'DELETE'
            UNION ALL
            SELECT OLD.organization_id, agent_id, OLD.direction, OLD.status, -1 AS step
            FROM unnest(ARRAY['00000000-0000-0000-0000-000000000000', OLD.agent_id]) AS agent_id
            WHERE TG_OP <> 'INSERT'
        ) AS changes (organization_id, agent_id, direction, status, step)
        GROUP BY organization_id, agent_id, direction, status HAVING SUM(step) <> 0
        ORDER BY organization_id, agent_id, direction, status
    LOOP
        UPDATE totals SET total = total + change.step
        WHERE organization_id = change.organization_id AND kind = 'calls' AND agent_id = change.agent_id
          AND direction = change.direction AND status = change.status;
        IF NOT FOUND THEN
            INSERT INTO totals AS kept VALUES (
                change.organization_id, 'calls', change.agent_id, change.direction, change.status, change.step
            )
            ON CONFLICT (organization_id, kind, agent_id, direction, status)
                DO UPDATE SET total = kept.total + change.step;
        END IF;
    END LOOP;
    RETURN NULL;
END $$;

-- At the commit: the rows that every transaction of an organisation changes are held for a moment only, and whatever
-- else the transaction holds was taken before them.
CREATE CONSTRAINT TRIGGER agent_counted AFTER INSERT OR DELETE ON agents
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION agent_count();
CREATE CONSTRAINT TRIGGER call_counted AFTER INSERT OR DELETE ON calls
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION call_count();
CREATE CONSTRAINT TRIGGER call_recounted AFTER UPDATE OF organization_id, agent_id, direction, status ON calls
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION call_count();

-- What is there already; the triggers keep writers off until the commit.
INSERT INTO totals SELECT organization_id, 'agents', '00000000-0000-0000-0000-000000000000', '', '', COUNT(*)
FROM agents GROUP BY organization_id;
INSERT INTO totals SELECT organization_id, 'calls', '00000000-0000-0000-0000-000000000000', direction, status, COUNT(*)
FROM calls GROUP BY organization_id, direction, status;
INSERT INTO totals SELECT organization_id, 'calls', agent_id, direction, status, COUNT(*)
FROM calls GROUP BY organization_id, agent_id, direction, status;
