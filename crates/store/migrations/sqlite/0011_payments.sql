-- Whose a payment is, when all that is known of it is one of its names.
CREATE INDEX billing_purchases_by_reference ON billing_purchases (reference);
-- For those that are forgotten.
CREATE INDEX billing_events_by_age ON billing_events (received_at);

-- All that is known of an organisation's subscriptions; the one that counts goes on standing in `subscription`, for
-- nodes that know of one alone.
ALTER TABLE billing_accounts ADD COLUMN subscriptions TEXT
    CONSTRAINT account_subscriptions_are_json CHECK (json_valid(subscriptions));
