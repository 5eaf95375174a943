-- Times are milliseconds since 1970. To read them: datetime(accepted_at / 1000, 'unixepoch').

-- A room's queue: what it waits for and which of its deliveries is in flight belong to the room, not to a delivery.
CREATE TABLE room (
    id          INTEGER PRIMARY KEY,
    address     TEXT    NOT NULL UNIQUE,
    tail        INTEGER NOT NULL DEFAULT 0,     -- the last position given out
    due_at      INTEGER NOT NULL DEFAULT 0,     -- not tried before
    waits_since INTEGER NOT NULL DEFAULT 0,     -- when due_at was set
    reason      TEXT,                           -- why it waits
    in_flight   INTEGER,                        -- the delivery that is being sent
    lease_until INTEGER NOT NULL DEFAULT 0      -- until when that is believed; afterwards, when it last was
) STRICT;

CREATE TABLE delivery (
    id               INTEGER PRIMARY KEY AUTOINCREMENT,
    room_id          INTEGER NOT NULL REFERENCES room (id),
    position         INTEGER NOT NULL,          -- order within the room
    state            TEXT    NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'delivered', 'dead', 'folded')),
    txn_id           TEXT    NOT NULL UNIQUE,
    message          TEXT    NOT NULL,          -- JSON
    accepted_at      INTEGER NOT NULL,
    starts_at        INTEGER,
    attempts         INTEGER NOT NULL DEFAULT 0,
    first_attempt_at INTEGER,
    last_attempt_at  INTEGER,
    last_error       TEXT,
    finished_at      INTEGER,
    event_id         TEXT,
    folded_into      INTEGER REFERENCES delivery (id),
    members          INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE UNIQUE INDEX delivery_queue ON delivery (room_id, position) WHERE state = 'waiting';
CREATE INDEX delivery_dead ON delivery (room_id, position) WHERE state = 'dead';
CREATE INDEX delivery_delivered ON delivery (finished_at) WHERE state = 'delivered';
CREATE INDEX delivery_folded ON delivery (folded_into) WHERE folded_into IS NOT NULL;

-- What was accepted lately, to recognise it when it comes again.
CREATE TABLE repeat (
    key         TEXT    PRIMARY KEY,
    accepted_at INTEGER NOT NULL,
    receipts    TEXT    NOT NULL                -- JSON: [[id, room], …]
) STRICT, WITHOUT ROWID;
CREATE INDEX repeat_age ON repeat (accepted_at);

-- One row that is written to find out whether writing works.
CREATE TABLE probe (
    id    INTEGER PRIMARY KEY CHECK (id = 1),
    count INTEGER NOT NULL
) STRICT;
INSERT INTO probe VALUES (1, 0);
