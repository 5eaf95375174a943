-- The message in a room that shows an alert group. Its thread, its edits and its reactions are deliveries that name it.
CREATE TABLE head (
    id       TEXT PRIMARY KEY,
    event_id TEXT,                              -- NULL: not in the room yet, or not any more
    latest   TEXT,                              -- the last event of its thread
    rang     INTEGER NOT NULL DEFAULT 0         -- whether it, or a digest that names it, has been in the room
) STRICT, WITHOUT ROWID;

-- What was known of an alert group when its last notification was accepted.
CREATE TABLE alert_group (
    key        TEXT PRIMARY KEY,                -- hash of room and group
    version    INTEGER NOT NULL,                -- counts acceptances
    state      TEXT    NOT NULL,                -- the pipeline's; opaque here
    head_id    TEXT REFERENCES head (id),
    changed_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX alert_group_age ON alert_group (changed_at);
CREATE INDEX alert_group_head ON alert_group (head_id) WHERE head_id IS NOT NULL;

ALTER TABLE delivery ADD COLUMN part TEXT NOT NULL DEFAULT 'message';   -- message, head, edit, line, reply, reaction
ALTER TABLE delivery ADD COLUMN reaction TEXT;                          -- the key of a reaction
ALTER TABLE delivery ADD COLUMN head_id TEXT REFERENCES head (id);

CREATE INDEX delivery_head ON delivery (head_id) WHERE head_id IS NOT NULL;
CREATE INDEX delivery_open ON delivery (head_id) WHERE state = 'waiting' AND attempts = 0 AND head_id IS NOT NULL;
CREATE INDEX delivery_foldable ON delivery (room_id, position)
    WHERE state = 'waiting' AND part NOT IN ('edit', 'reaction');
