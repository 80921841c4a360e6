-- How many entries of the audit log an organisation has, of each action (where calls have their direction) and each
-- actor (where calls have their status).
CREATE TRIGGER audit_counted AFTER INSERT ON audit_log
BEGIN
    INSERT INTO totals VALUES (NEW.organization_id, 'audit', zeroblob(16), NEW.action, NEW.actor_id, 1)
    ON CONFLICT DO UPDATE SET total = total + 1;
END;

CREATE TRIGGER audit_discounted AFTER DELETE ON audit_log
BEGIN
    UPDATE totals SET total = total - 1
    WHERE organization_id = OLD.organization_id AND kind = 'audit' AND agent_id = zeroblob(16)
      AND direction = OLD.action AND status = OLD.actor_id;
END;

-- What is there already.
INSERT INTO totals SELECT organization_id, 'audit', zeroblob(16), action, actor_id, COUNT(*) FROM audit_log
GROUP BY organization_id, action, actor_id;

-- With which secret.key secrets in this database are sealed. The first node that opens it writes the one row; others
-- compare.
CREATE TABLE sealing_key (
    only_row INTEGER NOT NULL PRIMARY KEY,
    key_id   TEXT    NOT NULL,
    CONSTRAINT sealing_key_is_one CHECK (only_row = 1)
) STRICT;
