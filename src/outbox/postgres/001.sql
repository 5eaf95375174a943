-- Times are milliseconds since 1970 by the relays' clocks. To read them: to_timestamp(accepted_at / 1000.0).
-- Leases go by the database's own clock.

-- A room's queue: what it waits for and which of its deliveries is in flight belong to the room, not to a delivery.
CREATE TABLE outbox_room (
    id          INTEGER PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    address     TEXT    NOT NULL UNIQUE,
    due_at      BIGINT  NOT NULL DEFAULT 0,     -- not tried before
    waits_since BIGINT  NOT NULL DEFAULT 0,     -- when due_at was set
    reason      TEXT,                           -- why it waits
    in_flight   BIGINT,                         -- the delivery that is being sent
    owner       TEXT,                           -- by which relay
    lease_until TIMESTAMPTZ                     -- until when that is believed; afterwards, when it last was
);

-- Drawn under a lock per room, so that positions follow the order of the commits.
CREATE SEQUENCE outbox_position;

CREATE TABLE outbox_delivery (
    id               BIGINT  PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    room_id          INTEGER NOT NULL REFERENCES outbox_room (id),
    position         BIGINT  NOT NULL DEFAULT nextval('outbox_position'),
    state            TEXT    NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'delivered', 'dead', 'folded')),
    txn_id           TEXT    NOT NULL UNIQUE,
    message          TEXT    NOT NULL,          -- JSON; not JSONB, which refuses an escaped NUL
    accepted_at      BIGINT  NOT NULL,
    starts_at        BIGINT,
    attempts         INTEGER NOT NULL DEFAULT 0,
    first_attempt_at BIGINT,
    last_attempt_at  BIGINT,
    last_error       TEXT,
    finished_at      BIGINT,
    event_id         TEXT,
    folded_into      BIGINT REFERENCES outbox_delivery (id),
    members          INTEGER NOT NULL DEFAULT 0
);

CREATE UNIQUE INDEX outbox_delivery_queue ON outbox_delivery (room_id, position) WHERE state = 'waiting';
CREATE INDEX outbox_delivery_dead ON outbox_delivery (room_id, position) WHERE state = 'dead';
CREATE INDEX outbox_delivery_delivered ON outbox_delivery (finished_at) WHERE state = 'delivered';
CREATE INDEX outbox_delivery_folded ON outbox_delivery (folded_into) WHERE folded_into IS NOT NULL;

-- What was accepted lately, to recognise it when it comes again.
CREATE TABLE outbox_repeat (
    key         TEXT   PRIMARY KEY,
    accepted_at BIGINT NOT NULL,
    receipts    TEXT   NOT NULL                 -- JSON: [[id, room], …]
);
CREATE INDEX outbox_repeat_age ON outbox_repeat (accepted_at);

-- One row that is written to find out whether writing works.
CREATE TABLE outbox_probe (
    id    INTEGER PRIMARY KEY CHECK (id = 1),
    count BIGINT  NOT NULL
);
INSERT INTO outbox_probe VALUES (1, 0);
