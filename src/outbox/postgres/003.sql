-- The message in a room that shows an alert group. Its thread, its edits and its reactions are deliveries that name it.
CREATE TABLE outbox_head (
    id       TEXT PRIMARY KEY,
    event_id TEXT,                              -- NULL: not in the room yet, or not any more
    latest   TEXT,                              -- the last event of its thread
    rang     BOOLEAN NOT NULL DEFAULT false     -- whether it, or a digest that names it, has been in the room
);

-- What was known of an alert group when its last notification was accepted.
CREATE TABLE outbox_group (
    key        TEXT PRIMARY KEY,                -- hash of room and group
    version    BIGINT NOT NULL,                 -- counts acceptances
    state      TEXT   NOT NULL,                 -- the pipeline's; opaque here
    head_id    TEXT REFERENCES outbox_head (id),
    changed_at BIGINT NOT NULL
);
CREATE INDEX outbox_group_age ON outbox_group (changed_at);
CREATE INDEX outbox_group_head ON outbox_group (head_id) WHERE head_id IS NOT NULL;

ALTER TABLE outbox_delivery
    ADD COLUMN part     TEXT NOT NULL DEFAULT 'message',    -- message, head, edit, line, reply, reaction
    ADD COLUMN reaction TEXT,                               -- the key of a reaction
    ADD COLUMN head_id  TEXT REFERENCES outbox_head (id);

CREATE INDEX outbox_delivery_head ON outbox_delivery (head_id) WHERE head_id IS NOT NULL;
CREATE INDEX outbox_delivery_open ON outbox_delivery (head_id)
    WHERE state = 'waiting' AND attempts = 0 AND head_id IS NOT NULL;
CREATE INDEX outbox_delivery_foldable ON outbox_delivery (room_id, position)
    WHERE state = 'waiting' AND part NOT IN ('edit', 'reaction');
