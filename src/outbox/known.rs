//! What is known of groups, for the pipeline to compare a notification with.
//!
//! Guarantees: of a group's alerts it reads those that are asked for and, where the others matter, those that fire, however many
//! are remembered.

use super::OutboxError;
use super::group::{KnownAlert, KnownGroup, RootState};
use super::session::{Row, Session, values};
use super::store::AskedGroup;

const GROUP: &str = "
    SELECT id, version, memory, live,
        CASE WHEN root_event IS NOT NULL THEN 2 WHEN root_news IS NOT NULL THEN 1 ELSE 0 END,
        CASE WHEN shown_rev >= wanted_rev THEN 1 ELSE 0 END, CASE WHEN shown_rev > 0 THEN 1 ELSE 0 END
    FROM outbox_group WHERE key = ?1";
/// The plus keeps SQLite from looking for the names among all that are resolved.
const FIRING_AND_ASKED: &str = "
    SELECT name, firing, data FROM outbox_alert WHERE group_id = ?1 AND firing = 1
    UNION ALL
    SELECT name, firing, data FROM outbox_alert
    WHERE group_id = ?1 AND +firing = 0 AND name IN (SELECT value ->> 'name' FROM json_each(?2))";
const ASKED: &str = "
    SELECT name, firing, data FROM outbox_alert
    WHERE group_id = ?1 AND name IN (SELECT value ->> 'name' FROM json_each(?2))";
const FIRING: &str = "SELECT count(*) FROM outbox_alert WHERE group_id = ?1 AND firing = 1";

/// Each of them, if there is such a group.
pub(super) async fn known<S: Session>(
    session: &mut S,
    asked: &[AskedGroup],
) -> Result<Vec<Option<KnownGroup>>, OutboxError> {
    let mut known = Vec::with_capacity(asked.len());
    for one in asked {
        let row = session.row(GROUP, values![one.key.as_str()]).await?;
        known.push(match row {
            Some(row) => Some(group(session, row, one).await?),
            None => None,
        });
    }
    Ok(known)
}

async fn group<S: Session>(session: &mut S, mut row: Row, asked: &AskedGroup) -> Result<KnownGroup, OutboxError> {
    let id = row.int()?;
    let sql = if asked.others { FIRING_AND_ASKED } else { ASKED };
    let rows = session.rows(sql, values![id, asked.names.as_str()]).await?;
    let alerts: Vec<KnownAlert> = rows.into_iter().map(alert).collect::<Result<_, _>>()?;
    let others_firing = if asked.others {
        0
    } else {
        let firing = session.row(FIRING, values![id]).await?;
        let firing: usize = firing.map_or(Ok(0), |mut row| row.count())?;
        firing.saturating_sub(alerts.iter().filter(|alert| alert.firing).count())
    };
    Ok(KnownGroup {
        others_firing,
        version: row.int()?,
        memory: row.text()?,
        live: row.flag()?,
        root: match row.int()? {
            2 => RootState::InRoom,
            1 => RootState::Waiting,
            _ => RootState::None,
        },
        is_shown: row.flag()?,
        is_heard: row.flag()?,
        alerts,
    })
}

fn alert(mut row: Row) -> Result<KnownAlert, OutboxError> {
    Ok(KnownAlert {
        name: row.text()?,
        firing: row.flag()?,
        data: row.text()?,
        is_new: false,
    })
}
