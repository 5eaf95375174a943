-- Times are milliseconds since 1970 by the relays' clocks. To read them: to_timestamp(accepted_at / 1000.0).
-- Leases go by the database's own clock. The same tables as in sqlite/schema.sql, where the columns are explained; numbers
-- are BIGINT and texts TEXT, so that both stores run the same statements. JSON is TEXT because JSONB refuses an escaped NUL.

CREATE TABLE outbox_room (
    id BIGINT PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    address TEXT NOT NULL UNIQUE,
    tail BIGINT NOT NULL DEFAULT 0,
    due_at BIGINT NOT NULL DEFAULT 0,
    waits_since BIGINT NOT NULL DEFAULT 0,
    reason TEXT,
    current BIGINT,
    owner TEXT,
    lease_until BIGINT NOT NULL DEFAULT 0,
    news_run BIGINT NOT NULL DEFAULT 0,
    encrypted TEXT
);
-- Those that were tried longest ago come first, so that a claim looks at a few rooms and not at all.
CREATE INDEX outbox_room_turn ON outbox_room (lease_until, id);

-- Ordered, each exactly once; the text is fixed when it is accepted, that of a root when it is first tried.
CREATE TABLE outbox_news (
    id BIGINT PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    room_id BIGINT NOT NULL REFERENCES outbox_room (id),
    position BIGINT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('message', 'root', 'line')),
    group_id BIGINT,
    root_id BIGINT,
    txn_id TEXT NOT NULL UNIQUE,
    message TEXT,
    rev BIGINT NOT NULL DEFAULT 0,
    state TEXT NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'delivered', 'dead', 'combined')),
    accepted_at BIGINT NOT NULL,
    starts_at BIGINT,
    attempts BIGINT NOT NULL DEFAULT 0,
    first_attempt_at BIGINT,
    last_attempt_at BIGINT,
    last_error TEXT,
    failures TEXT,
    finished_at BIGINT,
    event_id TEXT,
    combined_into BIGINT REFERENCES outbox_news (id),
    members BIGINT NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX outbox_news_queue ON outbox_news (room_id, position) WHERE state = 'waiting';
CREATE INDEX outbox_news_dead ON outbox_news (room_id, position) WHERE state = 'dead';
CREATE INDEX outbox_news_delivered ON outbox_news (finished_at) WHERE state = 'delivered';
CREATE INDEX outbox_news_combined ON outbox_news (combined_into) WHERE combined_into IS NOT NULL;
CREATE INDEX outbox_news_group ON outbox_news (group_id, state) WHERE group_id IS NOT NULL;

-- What is known of an alert group in a room, and where its message stands.
CREATE TABLE outbox_group (
    id BIGINT PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    key TEXT NOT NULL UNIQUE,
    room_id BIGINT NOT NULL REFERENCES outbox_room (id),
    txn_id TEXT NOT NULL,
    version BIGINT NOT NULL,
    memory TEXT NOT NULL,
    remembered BIGINT NOT NULL DEFAULT 0,
    changed_at BIGINT NOT NULL,
    root_news BIGINT,
    root_event TEXT,
    latest_event TEXT,
    live BIGINT NOT NULL DEFAULT 0,
    wanted_rev BIGINT NOT NULL DEFAULT 0,
    tried_rev BIGINT NOT NULL DEFAULT 0,
    shown_rev BIGINT NOT NULL DEFAULT 0,
    owed BIGINT,
    attempts BIGINT NOT NULL DEFAULT 0,
    tried_at BIGINT,
    first_attempt_at BIGINT,
    last_attempt_at BIGINT,
    last_error TEXT,
    failures TEXT
);
CREATE INDEX outbox_group_owed ON outbox_group (room_id, owed) WHERE owed IS NOT NULL;
CREATE INDEX outbox_group_age ON outbox_group (changed_at);

-- Its texts, apart because they are long and the columns above change more often.
CREATE TABLE outbox_group_text (
    group_id BIGINT PRIMARY KEY,
    wanted TEXT,
    tried TEXT
);

-- The alerts of a group, each by itself: an acceptance reads and writes those that it is about.
CREATE TABLE outbox_alert (
    group_id BIGINT NOT NULL,
    name TEXT NOT NULL,
    firing BIGINT NOT NULL,
    changed_at BIGINT NOT NULL,
    data TEXT NOT NULL,
    PRIMARY KEY (group_id, name)
);
CREATE INDEX outbox_alert_state ON outbox_alert (group_id, firing, changed_at);
CREATE INDEX outbox_alert_age ON outbox_alert (changed_at) WHERE firing = 0;

-- What was accepted lately, to recognise it when it comes again.
CREATE TABLE outbox_repeat (
    key TEXT PRIMARY KEY,
    accepted_at BIGINT NOT NULL,
    receipts TEXT NOT NULL
);
CREATE INDEX outbox_repeat_age ON outbox_repeat (accepted_at);

-- The last notifications as they came, secrets masked, for people to try templates on. Nothing depends on them.
CREATE TABLE outbox_recording (
    id BIGINT PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    received_at BIGINT NOT NULL,
    title TEXT NOT NULL,
    body TEXT NOT NULL
);

-- When what is expected again and again last came.
CREATE TABLE outbox_sign (
    name TEXT PRIMARY KEY,
    last_at BIGINT NOT NULL,
    count BIGINT NOT NULL
);

-- Messages that the homeserver sends by itself unless the relay asks it in time not to.
CREATE TABLE outbox_switch (
    txn_id TEXT PRIMARY KEY,
    room TEXT NOT NULL,
    delay_id TEXT,
    state TEXT NOT NULL CHECK (state IN ('wanted', 'unwanted', 'sent')),
    delay_ms BIGINT NOT NULL,
    scheduled_at BIGINT NOT NULL,
    pushed_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX outbox_switch_room ON outbox_switch (room) WHERE state = 'wanted';

-- One row that is written to find out whether writing works.
CREATE TABLE outbox_probe (
    id BIGINT PRIMARY KEY CHECK (id = 1),
    count BIGINT NOT NULL
);
INSERT INTO outbox_probe VALUES (1, 0);
