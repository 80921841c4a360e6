-- How many entries of the audit log an organisation has, of each action (where calls have their direction) and each
-- actor (where calls have their status).
CREATE FUNCTION audit_count() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO totals AS kept VALUES (
        CASE TG_OP WHEN 'DELETE' THEN OLD.organization_id ELSE NEW.organization_id END,
        'audit', '00000000-0000-0000-0000-000000000000',
        CASE TG_OP WHEN 'DELETE' THEN OLD.action ELSE NEW.action END,
        CASE TG_OP WHEN 'DELETE' THEN OLD.actor_id ELSE NEW.actor_id END, 1
    )
    ON CONFLICT (organization_id, kind, agent_id, direction, status)
        DO UPDATE SET total = kept.total + CASE TG_OP WHEN 'DELETE' THEN -1 ELSE 1 END;
    RETURN NULL;
END $$;

-- At the commit, as for agents and calls. A change writes its entry last, so the order of the rows of totals that one
-- transaction takes is the same for all.
CREATE CONSTRAINT TRIGGER audit_counted AFTER INSERT OR DELETE ON audit_log
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION audit_count();

-- What is there already; the trigger keeps writers off until the commit.
INSERT INTO totals SELECT organization_id, 'audit', '00000000-0000-0000-0000-000000000000', action, actor_id, COUNT(*)
FROM audit_log GROUP BY organization_id, action, actor_id;

-- With which secret.key secrets in this database are sealed. The first node that opens it writes the one row; others
-- compare.
CREATE TABLE sealing_key (
    only_row bigint NOT NULL PRIMARY KEY,
    key_id   text   NOT NULL,
    CONSTRAINT sealing_key_is_one CHECK (only_row = 1)
);
