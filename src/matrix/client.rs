//! The client: one method for each thing that the relay asks of a homeserver (sending is in [`send`](super::send)).
//!
//! Guarantees: see [`crate::matrix`]. A resolved alias is kept until [`Client::forget`] or until its room gives
//! trouble, because an alias may move.

mod json;

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use reqwest::redirect::Policy;
use ruma::api::client::account::whoami;
use ruma::api::client::alias::get_alias;
use ruma::api::client::membership::join_room_by_id_or_alias;
use ruma::api::client::state::get_state_event_for_key;
use ruma::events::StateEventType;
use ruma::{OwnedRoomId, OwnedRoomOrAliasId, OwnedUserId, RoomAliasId, RoomId};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::OnceCell;

use super::discovery::{self, Address};
use super::encryption::Encryption;
use super::http_client::{ANSWER_LIMIT, Endpoint, HttpClient, LARGE_ANSWER_LIMIT};
use super::verdict::{RequestKind, RoomTrouble, Verdict};
use super::{Failure, Settings, SetupError, WhoAmI};
use crate::message::RoomAddress;

/// A client of one homeserver with one account; cheap to clone, all clones share connections and caches.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    address: Address,
    session: ArcSwap<Session>,
    /// How often another token was set.
    tokens: AtomicU64,
    timeout: Duration,
    http_client: HttpClient,
    base: OnceCell<String>,
    aliases: Mutex<HashMap<RoomAddress, OwnedRoomId>>,
    encryption: Encryption,
}

/// The access token, and whose it is once that was asked: a token never passes to another account.
struct Session {
    token: SecretString,
    me: OnceCell<OwnedUserId>,
}

impl Session {
    fn new(token: SecretString) -> Self {
        Self {
            token,
            me: OnceCell::new(),
        }
    }
}

impl Client {
    /// Makes a client without touching the network.
    pub fn new(settings: &Settings) -> Result<Self, SetupError> {
        let address = settings.address()?;
        let http_client = HttpClient::new(settings.request_timeout, Policy::none(), address.is_loopback())
            .map_err(SetupError::Http)?;
        Ok(Self(Arc::new(Inner {
            address,
            session: ArcSwap::from_pointee(Session::new(settings.access_token.clone())),
            tokens: AtomicU64::new(0),
            timeout: settings.request_timeout,
            http_client,
            base: OnceCell::new(),
            aliases: Mutex::default(),
            encryption: Encryption::new(&settings.encryption),
        })))
    }

    /// Whose token it is.
    pub async fn whoami(&self) -> Result<WhoAmI, Failure> {
        let answer = self.call(RequestKind::Account, whoami::v3::Request::new()).await?;
        Ok(WhoAmI {
            user_id: answer.user_id,
            device_id: answer.device_id,
            is_guest: answer.is_guest,
        })
    }

    /// The account, asked for at most once for each token.
    pub(super) async fn me(&self) -> Result<OwnedUserId, Failure> {
        let session = self.0.session.load_full();
        let asked = || async { self.whoami().await.map(|me| me.user_id) };
        session.me.get_or_try_init(asked).await.cloned()
    }

    /// Uses another access token from the next request on; says whether it is another one.
    pub fn set_token(&self, token: SecretString) -> bool {
        let is_new = self.0.session.load().token.expose_secret() != token.expose_secret();
        if is_new {
            self.0.session.store(Arc::new(Session::new(token)));
            self.0.tokens.fetch_add(1, Ordering::SeqCst);
            self.0.encryption.doubt();
        }
        is_new
    }

    /// How often another token was set: what was sent with the one before, the homeserver may not recognise.
    pub fn tokens(&self) -> u64 {
        self.0.tokens.load(Ordering::SeqCst)
    }

    /// The room ID that an address stands for; asks the homeserver only for an alias that is not cached.
    pub async fn resolve(&self, room: &RoomAddress) -> Result<OwnedRoomId, Failure> {
        if !room.is_alias() {
            return RoomId::parse(room.as_str())
                .map_err(|error| Failure::room(RoomTrouble::Unknown, error.to_string()));
        }
        if let Some(id) = self.cached(room) {
            return Ok(id);
        }
        let alias = RoomAliasId::parse(room.as_str())
            .map_err(|error| Failure::room(RoomTrouble::Unknown, error.to_string()))?;
        let found = self.call(RequestKind::Room, get_alias::v3::Request::new(alias)).await?;
        self.aliases().insert(room.clone(), found.room_id.clone());
        Ok(found.room_id)
    }

    /// The room ID that an address stands for, as far as it is known without asking.
    pub(super) fn cached(&self, room: &RoomAddress) -> Option<OwnedRoomId> {
        if room.is_alias() {
            self.aliases().get(room).cloned()
        } else {
            RoomId::parse(room.as_str()).ok()
        }
    }

    /// Drops a cached alias, so that the next call asks again.
    pub fn forget(&self, room: &RoomAddress) {
        self.aliases().remove(room);
    }

    /// Joins the room: succeeds if the account is in it already, is invited, or the room is public.
    pub async fn join(&self, room: &RoomAddress) -> Result<(), Failure> {
        let id = OwnedRoomOrAliasId::try_from(room.as_str())
            .map_err(|error| Failure::room(RoomTrouble::Unknown, error.to_string()))?;
        let mut request = join_room_by_id_or_alias::v3::Request::new(id.clone());
        // A homeserver that is not in the room yet needs another one to join through; the ID names one, if any.
        if !room.is_alias() {
            request.via.extend(id.server_name().map(ToOwned::to_owned));
        }
        self.forget(room);
        self.call(RequestKind::Room, request).await.map(|_| ())
    }

    /// Whether the room is, or was ever seen, encrypted. Only the homeserver's own "not found" counts as unencrypted: a proxy's
    /// 404 must not let plain text out.
    pub(super) async fn encrypted(&self, room: &RoomId) -> Result<bool, Failure> {
        if self.0.encryption.knows(room) {
            return Ok(true);
        }
        match self.state(room, StateEventType::RoomEncryption, "").await {
            Ok(_) => {
                self.0.encryption.remember(room);
                Ok(true)
            }
            Err(failure) if failure.is(404, "M_NOT_FOUND") => Ok(false),
            Err(failure) => Err(failure),
        }
    }

    /// The same for the address of a room.
    pub async fn is_encrypted(&self, room: &RoomAddress) -> Result<bool, Failure> {
        let id = self.resolve(room).await?;
        self.encrypted(&id).await
    }

    /// The content of one state event.
    pub(super) async fn state(
        &self,
        room: &RoomId,
        kind: StateEventType,
        key: &str,
    ) -> Result<Box<serde_json::value::RawValue>, Failure> {
        let request = get_state_event_for_key::v3::Request::new(room.to_owned(), kind, key.to_owned());
        Ok(self.call(RequestKind::Room, request).await?.event_or_content)
    }

    pub(super) async fn call<R: Endpoint>(
        &self,
        kind: RequestKind,
        request: R,
    ) -> Result<R::IncomingResponse, Failure> {
        self.call_within(ANSWER_LIMIT, kind, request).await
    }

    /// The same for an answer that grows with the members of a room.
    #[cfg_attr(
        not(feature = "encryption"),
        expect(dead_code, reason = "only encryption asks for members")
    )]
    pub(super) async fn call_large<R: Endpoint>(
        &self,
        kind: RequestKind,
        request: R,
    ) -> Result<R::IncomingResponse, Failure> {
        self.call_within(LARGE_ANSWER_LIMIT, kind, request).await
    }

    async fn call_within<R: Endpoint>(
        &self,
        limit: usize,
        kind: RequestKind,
        request: R,
    ) -> Result<R::IncomingResponse, Failure> {
        let base = self.base().await?;
        let (session, http_client) = (self.0.session.load_full(), &self.0.http_client);
        http_client
            .call_within(limit, base, Some(&session.token), kind, request)
            .await
    }

    /// What encrypts for this account.
    pub(super) fn encryption(&self) -> &Encryption {
        &self.0.encryption
    }

    /// The base URL, looked up at most once.
    pub(super) async fn base(&self) -> Result<&str, Failure> {
        let found = self.0.base.get_or_try_init(|| async {
            match &self.0.address {
                Address::Base(base) => Ok(base.clone()),
                Address::Name(host) => discovery::look_up(host, self.0.timeout).await,
            }
        });
        // Callers queue for one lookup; each waits no longer than for a request of its own.
        match tokio::time::timeout(self.0.timeout, found).await {
            Ok(found) => found.map(String::as_str),
            Err(_) => Err(Failure::without_answer(
                Verdict::Transient,
                "the homeserver was not found in time",
            )),
        }
    }

    /// How long a request may take.
    pub(super) fn timeout(&self) -> Duration {
        self.0.timeout
    }

    /// The homeserver as the operator wrote it, for people.
    pub(super) fn address(&self) -> &str {
        match &self.0.address {
            Address::Base(text) | Address::Name(text) => text,
        }
    }

    fn aliases(&self) -> MutexGuard<'_, HashMap<RoomAddress, OwnedRoomId>> {
        self.0.aliases.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("address", &self.0.address)
            .finish_non_exhaustive()
    }
}
