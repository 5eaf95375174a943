-- The last notifications as they came, secrets masked, for people to try templates on. Nothing depends on them.
CREATE TABLE recording (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    received_at INTEGER NOT NULL,
    title       TEXT    NOT NULL,
    body        TEXT    NOT NULL                -- JSON
) STRICT;
