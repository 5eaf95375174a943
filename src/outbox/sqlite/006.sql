-- Its rows are far too long for an index, which a table without row ids is: four of them filled a page, inner pages too, and
-- whoever looked for one read six pages.
ALTER TABLE alert_group RENAME TO alert_group_before;
CREATE TABLE alert_group (
    key        TEXT    NOT NULL PRIMARY KEY,    -- hash of room and group
    version    INTEGER NOT NULL,                -- counts acceptances
    state      TEXT    NOT NULL,                -- the pipeline's; opaque here
    head_id    TEXT REFERENCES head (id),
    changed_at INTEGER NOT NULL
) STRICT;
INSERT INTO alert_group (key, version, state, head_id, changed_at)
    SELECT key, version, state, head_id, changed_at FROM alert_group_before ORDER BY changed_at;
DROP TABLE alert_group_before;
CREATE INDEX alert_group_age ON alert_group (changed_at);
CREATE INDEX alert_group_head ON alert_group (head_id) WHERE head_id IS NOT NULL;
