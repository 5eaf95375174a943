-- The last notifications as they came, secrets masked, for people to try templates on. Nothing depends on them.
CREATE TABLE outbox_recording (
    id          BIGINT PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    received_at BIGINT NOT NULL,
    title       TEXT   NOT NULL,
    body        TEXT   NOT NULL                 -- JSON; not JSONB, which refuses an escaped NUL
);
