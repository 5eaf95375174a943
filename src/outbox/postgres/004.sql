-- Since then `part` can be 'rest' or 'rest-reply' as well: what does not fit into a head; `reaction` is its number.

-- What only shows the state of a group whose head is in the room, and was never tried, gives way to news.
ALTER TABLE outbox_delivery ADD COLUMN gives_way BOOLEAN NOT NULL DEFAULT false;
UPDATE outbox_delivery SET gives_way = true
    WHERE state = 'waiting' AND attempts = 0 AND part IN ('edit', 'reaction')
        AND head_id IN (SELECT id FROM outbox_head WHERE event_id IS NOT NULL);

ALTER TABLE outbox_room ADD COLUMN overtaken INTEGER NOT NULL DEFAULT 0;   -- how often in a row news went before that

-- The last delivery whose text, as a head or an edit, the room knows: by itself, or because a digest has named it.
ALTER TABLE outbox_head ADD COLUMN shown BIGINT NOT NULL DEFAULT 0;
UPDATE outbox_head h SET shown = coalesce((
    SELECT max(d.id) FROM outbox_delivery d
    WHERE d.head_id = h.id AND d.part IN ('head', 'edit') AND d.state IN ('delivered', 'folded')), 0);

DROP INDEX outbox_delivery_foldable;
CREATE INDEX outbox_delivery_news ON outbox_delivery (room_id, position) INCLUDE (part)
    WHERE state = 'waiting' AND NOT gives_way;

DROP INDEX outbox_delivery_open;
CREATE INDEX outbox_delivery_open ON outbox_delivery (head_id)
    WHERE state = 'waiting' AND attempts = 0 AND last_error IS NULL AND head_id IS NOT NULL;
