-- Times are milliseconds since 1970. To read them: datetime(accepted_at / 1000, 'unixepoch').
-- The names are those that PostgreSQL has, where other programs may have tables beside these; see postgres/schema.sql.

CREATE TABLE outbox_room (
    id          INTEGER PRIMARY KEY,
    address     TEXT    NOT NULL UNIQUE,
    tail        INTEGER NOT NULL DEFAULT 0,     -- the last position given out
    due_at      INTEGER NOT NULL DEFAULT 0,     -- not tried before
    waits_since INTEGER NOT NULL DEFAULT 0,     -- when due_at was set
    reason      TEXT,                           -- why it waits
    current     INTEGER,                        -- tried and not ended: a row of news, or minus a group's id for an edit
    owner       TEXT,                           -- which relay is sending that at this moment; NULL: none
    lease_until INTEGER NOT NULL DEFAULT 0,     -- until when the owner is believed; afterwards, when it last was
    news_run    INTEGER NOT NULL DEFAULT 0,     -- news that went in a row while an edit was owed
    encrypted   TEXT                            -- the ID under which it was seen encrypted, which it is for ever; NULL: never
) STRICT;
-- Those that were tried longest ago come first, so that a claim looks at a few rooms and not at all.
CREATE INDEX outbox_room_turn ON outbox_room (lease_until, id);

-- Ordered, each exactly once; the text is fixed when it is accepted, that of a root when it is first tried.
CREATE TABLE outbox_news (
    id               INTEGER PRIMARY KEY AUTOINCREMENT,
    room_id          INTEGER NOT NULL REFERENCES outbox_room (id),
    position         INTEGER NOT NULL,          -- order within the room
    kind             TEXT    NOT NULL CHECK (kind IN ('message', 'root', 'line')),
    group_id         INTEGER,                   -- of a root and of a line
    root_id          INTEGER,                   -- of a line: the root in whose thread it is
    txn_id           TEXT    NOT NULL UNIQUE,
    message          TEXT,                      -- JSON; NULL: a root that was never tried, or a digest before it is
    rev              INTEGER NOT NULL DEFAULT 0,-- of a root: the revision that it says
    state            TEXT    NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'delivered', 'dead', 'combined')),
    accepted_at      INTEGER NOT NULL,
    starts_at        INTEGER,
    attempts         INTEGER NOT NULL DEFAULT 0,
    first_attempt_at INTEGER,
    last_attempt_at  INTEGER,
    last_error       TEXT,
    failures         TEXT,                      -- JSON: the attempts that failed, the first and the last ones; NULL: none did
    finished_at      INTEGER,
    event_id         TEXT,
    combined_into      INTEGER REFERENCES outbox_news (id),
    members          INTEGER NOT NULL DEFAULT 0 -- how many rows it is sent in place of
) STRICT;
CREATE UNIQUE INDEX outbox_news_queue ON outbox_news (room_id, position) WHERE state = 'waiting';
CREATE INDEX outbox_news_dead ON outbox_news (room_id, position) WHERE state = 'dead';
CREATE INDEX outbox_news_delivered ON outbox_news (finished_at) WHERE state = 'delivered';
CREATE INDEX outbox_news_combined ON outbox_news (combined_into) WHERE combined_into IS NOT NULL;
CREATE INDEX outbox_news_group ON outbox_news (group_id, state) WHERE group_id IS NOT NULL;

-- What is known of an alert group in a room, and where its message stands.
CREATE TABLE outbox_group (
    id               INTEGER PRIMARY KEY AUTOINCREMENT,
    key              TEXT    NOT NULL UNIQUE,   -- hash of room and group
    room_id          INTEGER NOT NULL REFERENCES outbox_room (id),
    txn_id           TEXT    NOT NULL,          -- with the revision, the transaction of an edit
    version          INTEGER NOT NULL,          -- counts acceptances; compare and swap
    memory           TEXT    NOT NULL,          -- the pipeline's; opaque here
    remembered       INTEGER NOT NULL DEFAULT 0,-- rows of outbox_alert
    changed_at       INTEGER NOT NULL,
    root_news        INTEGER,                   -- the row that is its message, or will be
    root_event       TEXT,                      -- where it stands in the room; NULL: nowhere
    latest_event     TEXT,                      -- the last event of its thread
    live             INTEGER NOT NULL DEFAULT 0,-- whether its message is edited
    wanted_rev       INTEGER NOT NULL DEFAULT 0,-- counts what it should say
    tried_rev        INTEGER NOT NULL DEFAULT 0,-- tried and not confirmed; 0: nothing is
    shown_rev        INTEGER NOT NULL DEFAULT 0,-- what the room shows; 0: nothing
    owed             INTEGER,                   -- since which position of the room an edit is owed; NULL: none is
    attempts         INTEGER NOT NULL DEFAULT 0,-- of the edit that was tried, as the following
    tried_at         INTEGER,
    first_attempt_at INTEGER,
    last_attempt_at  INTEGER,
    last_error       TEXT,
    failures         TEXT                       -- as in outbox_news
) STRICT;
CREATE INDEX outbox_group_owed ON outbox_group (room_id, owed) WHERE owed IS NOT NULL;
CREATE INDEX outbox_group_age ON outbox_group (changed_at);

-- Its texts, apart because they are long and the columns above change more often.
CREATE TABLE outbox_group_text (
    group_id INTEGER PRIMARY KEY,
    wanted   TEXT,                              -- JSON: what the message should say
    tried    TEXT                               -- JSON: the edit of tried_rev
) STRICT;

-- The alerts of a group, each by itself: an acceptance reads and writes those that it is about.
CREATE TABLE outbox_alert (
    group_id   INTEGER NOT NULL,
    name       TEXT    NOT NULL,
    firing     INTEGER NOT NULL,
    changed_at INTEGER NOT NULL,
    data       TEXT    NOT NULL,                -- the pipeline's; opaque here
    PRIMARY KEY (group_id, name)
) STRICT;
CREATE INDEX outbox_alert_state ON outbox_alert (group_id, firing, changed_at);
CREATE INDEX outbox_alert_age ON outbox_alert (changed_at) WHERE firing = 0;

-- What was accepted lately, to recognise it when it comes again.
CREATE TABLE outbox_repeat (
    key         TEXT    PRIMARY KEY,
    accepted_at INTEGER NOT NULL,
    receipts    TEXT    NOT NULL                -- JSON: [[id, room], …]
) STRICT, WITHOUT ROWID;
CREATE INDEX outbox_repeat_age ON outbox_repeat (accepted_at);

-- The last notifications as they came, secrets masked, for people to try templates on. Nothing depends on them.
CREATE TABLE outbox_recording (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    received_at INTEGER NOT NULL,
    title       TEXT    NOT NULL,
    body        TEXT    NOT NULL                -- JSON
) STRICT;

-- When what is expected again and again last came.
CREATE TABLE outbox_sign (
    name    TEXT    PRIMARY KEY,
    last_at INTEGER NOT NULL,                   -- where none came: since when it is expected
    count   INTEGER NOT NULL                    -- how many came
) STRICT, WITHOUT ROWID;

-- Messages that the homeserver sends by itself unless the relay asks it in time not to.
CREATE TABLE outbox_switch (
    txn_id       TEXT    PRIMARY KEY,
    room         TEXT    NOT NULL,
    delay_id     TEXT,                          -- what the homeserver calls it; NULL: it has not said so
    state        TEXT    NOT NULL CHECK (state IN ('wanted', 'unwanted', 'sent')),
    delay_ms     INTEGER NOT NULL,
    scheduled_at INTEGER NOT NULL,
    pushed_at    INTEGER NOT NULL               -- when the homeserver last began to wait anew
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX outbox_switch_room ON outbox_switch (room) WHERE state = 'wanted';

-- One row that is written to find out whether writing works.
CREATE TABLE outbox_probe (
    id    INTEGER PRIMARY KEY CHECK (id = 1),
    count INTEGER NOT NULL
) STRICT;
INSERT INTO outbox_probe VALUES (1, 0);
