//! What senders show at each route, as one table that is replaced as a whole.
//!
//! Guarantees: a route that does not exist asks for something that nobody can show, like one that does, and takes as long to
//! refuse it; where no route asks
//! for anything there is nothing to hide.

use std::collections::BTreeMap;
use std::sync::Arc;

use rand::RngCore as _;
use secrecy::SecretString;

use super::super::compat::Compat;
use super::super::credential::{BasicLogin, CredentialError, CredentialSettings};
use super::super::credentials::Credentials;
use crate::message::RouteName;

/// What senders show at each route, the default one included.
#[derive(Default)]
pub(super) struct Routes {
    pub(super) known: BTreeMap<RouteName, Arc<Credentials>>,
    /// What a route that does not exist asks for: nothing that anybody could show. `None` while no route asks for
    /// anything, and so none can be hidden.
    unknown: Option<Arc<Credentials>>,
    pub(super) compat: Compat,
    /// Some route decides by the body alone, so that all of them have to read it before they refuse.
    body_first: bool,
    /// How many keys read the body before a refusal, at any route.
    pub(super) most_keys: usize,
}

/// The credentials that are wanted, whether they are those of something that exists, and whether a refusal has to wait
/// for the body.
pub(super) type Wanted = (Arc<Credentials>, bool, bool);

impl Routes {
    pub(super) fn new(
        settings: &BTreeMap<RouteName, CredentialSettings>,
        compat: Compat,
    ) -> Result<Self, CredentialError> {
        let mut known = BTreeMap::new();
        for (name, settings) in settings {
            known.insert(name.clone(), Arc::new(Credentials::new(settings)?));
        }
        let guarded = known.values().any(|one| !one.open());
        let unknown = guarded.then(nobody).map(|one| Credentials::new(&one)).transpose()?;
        let body_first = known.values().any(|one| one.header_free() && one.signs());
        let most_keys = known.values().map(|one| one.keys()).max().filter(|_| body_first);
        Ok(Self {
            unknown: unknown.map(Arc::new),
            body_first,
            most_keys: most_keys.unwrap_or_default(),
            known,
            compat,
        })
    }

    /// The credentials of a route, whether there is such a route, and whether a refusal waits for the body.
    pub(super) fn asked_for(&self, name: &str) -> Wanted {
        let known = name.parse::<RouteName>().ok().and_then(|name| self.known.get(&name));
        let credentials = known.or(self.unknown.as_ref()).map(Arc::clone).unwrap_or_default();
        (credentials, known.is_some(), self.body_first)
    }

    /// What the pages ask for that have nothing of their own: the default route's, without the signature, which no
    /// browser can make. Where senders are asked and people could not be, the pages stay closed.
    pub(super) fn page_credentials(&self) -> Option<Credentials> {
        let default = self.known.get(&RouteName::default());
        match default.filter(|default| !default.header_free()) {
            Some(default) => Some(default.without_signature()),
            None if self.unknown.is_some() => None,
            None => Some(Credentials::default()),
        }
    }
}

/// Credentials that nobody has.
fn nobody() -> CredentialSettings {
    let secret = || {
        let mut bytes = [0; 32];
        rand::rng().fill_bytes(&mut bytes);
        SecretString::from(hex::encode(bytes))
    };
    let login = BasicLogin {
        user: "nobody".to_owned(),
        password: secret(),
    };
    CredentialSettings {
        bearer: vec![secret()],
        basic: vec![login],
        signature: None,
    }
}
