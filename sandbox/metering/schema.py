"""SQL schema of plans, customers, subscriptions and usage."""

SCHEMA = """
CREATE TABLE IF NOT EXISTS monetization (
    pk INTEGER PRIMARY KEY, bucket INTEGER NOT NULL UNIQUE REFERENCES buckets ON DELETE CASCADE,
    document TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS meters (
    pk INTEGER PRIMARY KEY, bucket INTEGER NOT NULL REFERENCES buckets ON DELETE CASCADE,
    id TEXT NOT NULL, slug TEXT NOT NULL, document TEXT NOT NULL, created_on TEXT NOT NULL, updated_on TEXT NOT NULL,
    UNIQUE (bucket, slug));
CREATE TABLE IF NOT EXISTS features (
    pk INTEGER PRIMARY KEY, bucket INTEGER NOT NULL REFERENCES buckets ON DELETE CASCADE,
    id TEXT NOT NULL, key TEXT NOT NULL, document TEXT NOT NULL, archived_on TEXT,
    created_on TEXT NOT NULL, updated_on TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS plans (
    pk INTEGER PRIMARY KEY, bucket INTEGER NOT NULL REFERENCES buckets ON DELETE CASCADE,
    id TEXT NOT NULL, key TEXT NOT NULL, version INTEGER NOT NULL, status TEXT NOT NULL, currency TEXT NOT NULL,
    document TEXT NOT NULL, deleted_on TEXT, created_on TEXT NOT NULL, updated_on TEXT NOT NULL,
    UNIQUE (bucket, key, version));
CREATE TABLE IF NOT EXISTS plan_invites (
    pk INTEGER PRIMARY KEY, bucket INTEGER NOT NULL REFERENCES buckets ON DELETE CASCADE,
    id TEXT NOT NULL, email TEXT NOT NULL, plan_id TEXT NOT NULL, created_on TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS customers (
    pk INTEGER PRIMARY KEY, bucket INTEGER NOT NULL REFERENCES buckets ON DELETE CASCADE,
    id TEXT NOT NULL, key TEXT NOT NULL, name TEXT NOT NULL, primary_email TEXT, subjects TEXT NOT NULL,
    created_on TEXT NOT NULL, updated_on TEXT NOT NULL, UNIQUE (bucket, key));
CREATE TABLE IF NOT EXISTS subscriptions (
    pk INTEGER PRIMARY KEY, customer INTEGER NOT NULL REFERENCES customers ON DELETE CASCADE,
    plan INTEGER NOT NULL REFERENCES plans ON DELETE CASCADE, id TEXT NOT NULL UNIQUE,
    active_from TEXT NOT NULL, active_to TEXT, billing_anchor TEXT NOT NULL, document TEXT NOT NULL,
    payment TEXT NOT NULL, access_blocked INTEGER NOT NULL DEFAULT 0,
    created_on TEXT NOT NULL, updated_on TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS subscriptions_of_customer ON subscriptions (customer);
CREATE TABLE IF NOT EXISTS usage_events (
    pk INTEGER PRIMARY KEY, subscription INTEGER NOT NULL REFERENCES subscriptions ON DELETE CASCADE,
    id TEXT NOT NULL, type TEXT NOT NULL, subject TEXT, data TEXT NOT NULL,
    counted_on TEXT NOT NULL, arrived_on TEXT NOT NULL, UNIQUE (subscription, id, type));
CREATE INDEX IF NOT EXISTS events_by_time ON usage_events (subscription, type, counted_on);
CREATE TABLE IF NOT EXISTS counters (
    pk INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, count INTEGER NOT NULL, ends_on TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS quotas (
    pk INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, anchor TEXT NOT NULL, period TEXT NOT NULL,
    starts_on TEXT NOT NULL, meters TEXT NOT NULL);
"""
