-- What only shows the state of a group whose head is in the room, and was never tried, gives way to news.
ALTER TABLE delivery ADD COLUMN gives_way INTEGER NOT NULL DEFAULT 0;
UPDATE delivery SET gives_way = 1
    WHERE state = 'waiting' AND attempts = 0 AND part IN ('edit', 'reaction')
        AND head_id IN (SELECT id FROM head WHERE event_id IS NOT NULL);

ALTER TABLE room ADD COLUMN overtaken INTEGER NOT NULL DEFAULT 0;      -- how often in a row news went before that

DROP INDEX delivery_foldable;
CREATE INDEX delivery_news ON delivery (room_id, position, part) WHERE state = 'waiting' AND gives_way = 0;
