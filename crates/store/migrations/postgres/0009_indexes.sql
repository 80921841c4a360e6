-- no-transaction
-- Each is built beside those who write; a statement that failed half-way can be run again.

CREATE INDEX CONCURRENTLY IF NOT EXISTS calls_by_status ON calls (organization_id, status, id);
CREATE INDEX CONCURRENTLY IF NOT EXISTS calls_by_direction ON calls (organization_id, direction, id);
CREATE INDEX CONCURRENTLY IF NOT EXISTS calls_by_direction_and_status ON calls (organization_id, direction, status, id);
CREATE INDEX CONCURRENTLY IF NOT EXISTS calls_by_agent_and_status ON calls (organization_id, agent_id, status, id);
CREATE INDEX CONCURRENTLY IF NOT EXISTS calls_by_agent_and_direction ON calls (organization_id, agent_id, direction, id);
CREATE INDEX CONCURRENTLY IF NOT EXISTS calls_by_agent_direction_and_status
    ON calls (organization_id, agent_id, direction, status, id);
-- The filters of the audit log.
CREATE INDEX CONCURRENTLY IF NOT EXISTS audit_log_by_action ON audit_log (organization_id, action, id);
CREATE INDEX CONCURRENTLY IF NOT EXISTS audit_log_by_time ON audit_log (organization_id, at);
