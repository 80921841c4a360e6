-- The filters of the audit log.
CREATE INDEX audit_log_by_action ON audit_log (organization_id, action, id);
CREATE INDEX audit_log_by_time ON audit_log (organization_id, at);
