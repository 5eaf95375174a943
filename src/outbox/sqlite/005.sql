-- Finds what was given up of a head, by itself or in a digest, without looking at all that was ever sent of it.
CREATE INDEX delivery_lost ON delivery (head_id, state) WHERE state IN ('dead', 'folded') AND head_id IS NOT NULL;
