-- Since then `part` can be 'rest' or 'rest-reply' as well: what does not fit into a head; `reaction` is its number.

-- What only shows the state of a group whose head is in the room, and was never tried, gives way to news.
ALTER TABLE delivery ADD COLUMN gives_way INTEGER NOT NULL DEFAULT 0;
UPDATE delivery SET gives_way = 1
    WHERE state = 'waiting' AND attempts = 0 AND part IN ('edit', 'reaction')
        AND head_id IN (SELECT id FROM head WHERE event_id IS NOT NULL);

ALTER TABLE room ADD COLUMN overtaken INTEGER NOT NULL DEFAULT 0;      -- how often in a row news went before that

-- The last delivery whose text, as a head or an edit, the room knows: by itself, or because a digest has named it.
ALTER TABLE head ADD COLUMN shown INTEGER NOT NULL DEFAULT 0;
UPDATE head SET shown = coalesce((
    SELECT max(d.id) FROM delivery d
    WHERE d.head_id = head.id AND d.part IN ('head', 'edit') AND d.state IN ('delivered', 'folded')), 0);

DROP INDEX delivery_foldable;
CREATE INDEX delivery_news ON delivery (room_id, position, part) WHERE state = 'waiting' AND gives_way = 0;

-- Holds all that is asked of what waits for a head, but the texts; the last three say what its condition says, because
-- SQLite looks them up in the row otherwise.
DROP INDEX delivery_open;
CREATE INDEX delivery_open ON delivery (head_id, position, part, reaction, state, attempts, last_error)
    WHERE state = 'waiting' AND attempts = 0 AND last_error IS NULL AND head_id IS NOT NULL;
