//! How often the keys were put to use, counted in their store and, for the device, in the account's data: a store that has counted
//! less is a copy of an earlier one.
//!
//! Guarantees: each start counts, and each time before keys are sent to devices, so that what other devices have received is never
//! encrypted again by the same keys: not after a backup was restored, and not by two relays on copies of one volume. A use that is
//! counted and does not happen does no harm.

use matrix_sdk_crypto::OlmMachine;
use ruma::api::client::config::{get_global_account_data, set_global_account_data};
use ruma::events::GlobalAccountDataEventType;
use ruma::serde::Raw;
use serde::{Deserialize, Serialize};

use super::opening::{NEW_DEVICE, cannot};
use super::requests::{of_keys, of_store};
use crate::matrix::verdict::RequestKind;
use crate::matrix::{Client, Failure};

const USES: &str = "grafana-matrix-relay.uses";

#[derive(Default, Serialize, Deserialize)]
struct Uses {
    uses: u64,
}

/// Counts one more in the store, then on the homeserver; a failure where that has counted further.
pub(super) async fn count(client: &Client, machine: &OlmMachine) -> Result<(), Failure> {
    let (me, id, store) = (machine.user_id(), machine.device_id(), machine.store());
    let own = store.get_custom_value(USES).await.map_err(of_store)?;
    let own: u64 = own
        .and_then(|text| String::from_utf8(text).ok()?.parse().ok())
        .unwrap_or(0);
    let kind = GlobalAccountDataEventType::from(format!("{USES}.{id}"));
    let failed = |failure| of_keys("the account's data", failure);
    let request = get_global_account_data::v3::Request::new(me.to_owned(), kind.clone());
    let seen = match client.call(RequestKind::Account, request).await {
        Ok(answer) => answer
            .account_data
            .deserialize_as_unchecked::<Uses>()
            .unwrap_or_default(),
        Err(failure) if failure.is(404, "M_NOT_FOUND") => Uses::default(),
        Err(failure) => return Err(failed(failure)),
    };
    if seen.uses > own {
        return Err(cannot(format!(
            "the keys of device {id} are those of an earlier time, as after a backup was restored or a volume copied; used \
             again, they would give messages that nobody can read: {NEW_DEVICE}"
        )));
    }
    let uses = own + 1;
    store
        .set_custom_value(USES, uses.to_string().into_bytes())
        .await
        .map_err(of_store)?;
    let data = Raw::new(&Uses { uses }).map_err(|_| cannot("a number is no JSON".to_owned()))?;
    let request = set_global_account_data::v3::Request::new_raw(me.to_owned(), kind, data.cast_unchecked());
    client
        .call(RequestKind::Account, request)
        .await
        .map(drop)
        .map_err(failed)
}
