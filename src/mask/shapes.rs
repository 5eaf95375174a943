//! Credentials that are known by their form alone, wherever they stand.
//!
//! One expression without backtracking reads a text once. Forms are what their issuers document; a few characters fewer are
//! enough for a match, because nobody names anything else so.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::{Captures, Regex};

use super::{MASK, names};

/// Keys in the armour of PEM, `OpenSSH` and PGP, cut off or not.
const ARMOUR: &str = r"(?P<armour>-{4,5} ?BEGIN [A-Z0-9 ]{1,64}-{4,5})[\s\S]*?(?:-{4,5} ?END [A-Z0-9 ]{1,64}-{4,5}|\z)";

/// Tokens by how they begin.
const TOKENS: [&str; 24] = [
    // JSON Web Tokens, and JSON in base64.
    r"eyJ[A-Za-z0-9_-]{5,}(?:\.[A-Za-z0-9_-]*)+",
    r"eyJ[A-Za-z0-9_+/=-]{24,}",
    // Amazon.
    r"A(?:KIA|SIA|ROA|IDA|BIA|CCA|GPA|NPA|NVA)[A-Z0-9]{8}[A-Za-z0-9]*",
    // GitHub, GitLab.
    r"gh[pousr]_[A-Za-z0-9_]{8,}",
    r"github_pat_[A-Za-z0-9_]{8,}",
    r"gl(?:pat|dt|rt|rtr|cbt|ptt|ft|imt|agent|oas|soat|ffct)-[A-Za-z0-9_.-]{8,}",
    r"GR1348941[A-Za-z0-9_-]{8,}",
    // Synapse, of today and of former times.
    r"sy[tr]_[A-Za-z0-9_+/=.-]{4,}",
    r"MDAx[A-Za-z0-9_+/=-]{20,}",
    // Google.
    r"AIza[A-Za-z0-9_-]{8,}",
    r"ya29\.[A-Za-z0-9_.-]{8,}",
    r"GOCSPX-[A-Za-z0-9_-]{8,}",
    // Slack, Telegram, Grafana.
    r"x(?:ox[a-z]|app)-[A-Za-z0-9-]{8,}",
    r"[0-9]{8,10}:[A-Za-z0-9_-]{35}",
    r"gl(?:sa|c)_[A-Za-z0-9_+/=-]{8,}",
    // Payment, mail, language models.
    r"(?:sk|rk|pk|whsec)_(?:live_|test_)?[A-Za-z0-9]{16,}",
    r"sk-[A-Za-z0-9_-]{16,}",
    r"SG\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}",
    // Registries of packages and images.
    r"npm_[A-Za-z0-9]{16,}",
    r"pypi-[A-Za-z0-9_-]{16,}",
    r"dckr_(?:pat|oat)_[A-Za-z0-9_-]{8,}",
    // Clouds, vaults, keys of age.
    r"do[opr]_v1_[A-Za-z0-9]{8,}",
    r"hv[sbr]\.[A-Za-z0-9_-]{8,}",
    r"(?:AGE-SECRET-KEY-1[A-Z0-9]{8,}|tskey-[A-Za-z0-9-]{8,}|hf_[A-Za-z0-9]{16,}|dapi[a-f0-9]{24,}|sntry[su]_[A-Za-z0-9_+/=-]{8,})",
];

/// Beginnings that other names have, too: what follows has to look like a token. Matrix Authentication Service.
const GUESSED: &str = r"m(?:at|ct|ar|cr|ua)_[A-Za-z0-9]{8,}(?:_[A-Za-z0-9]+)?";

/// Hosts and paths of webhooks, whose rest is the credential.
const HOOKS: &str = concat!(
    r"(?:hooks\.slack(?:-gov)?\.com/|discord(?:app)?\.com/api/(?:v[0-9]+/)?webhooks/|webhook\.office\.com/",
    r"|outlook\.office(?:365)?\.com/webhook/|logic\.azure\.com(?::443)?/|powerplatform\.com(?::443)?/",
    r"|api\.telegram\.org/(?:file/)?bot|chat\.googleapis\.com/v1/|events\.pagerduty\.com/integration/|hooks\.zapier\.com/",
    r"|make\.com/|maker\.ifttt\.com/|open\.(?:feishu\.cn|larksuite\.com)/open-apis/bot/|oapi\.dingtalk\.com/",
    r"|qyapi\.weixin\.qq\.com/|hc-ping\.com/|healthchecks\.io/ping/|api\.push(?:over|bullet)\.net/|sctapi\.ftqq\.com/)",
);

/// Paths that webhooks of any host have, whose rest may be one.
const PATHS: &str = r"/(?:(?:incoming-?)?webhooks?|webhookb2|hooks?|integrations?/v[0-9]+/[a-z_]+)/";

/// What may stand in an address.
const REST: &str = r"[^\s\x22'<>`\\]+";

static SHAPES: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let tokens = TOKENS.join("|");
    let all = format!(
        r"{ARMOUR}|(?-u:\b)(?:{tokens})|(?-u:\b)(?P<guessed>{GUESSED})|(?P<hook>(?i:{HOOKS}))(?:{REST})|(?P<path>(?i:{PATHS}))(?P<rest>{REST})"
    );
    Regex::new(&all).ok()
});

/// Masks them.
pub(super) fn masked(text: &str) -> Cow<'_, str> {
    // That the expression is one, a test shows.
    match &*SHAPES {
        Some(shapes) => shapes.replace_all(text, |found: &Captures<'_>| replaced(found)),
        None => MASK.into(),
    }
}

fn replaced(found: &Captures<'_>) -> String {
    let named = |name| found.name(name).map(|found| found.as_str());
    let whole = found.get(0).map_or("", |whole| whole.as_str());
    let is_random = |part: &str| names::looks_random(part) && part.len() >= 6;
    if let Some(kept) = named("armour").or_else(|| named("hook")) {
        return format!("{kept}{MASK}");
    }
    if let Some(guessed) = named("guessed") {
        let secret = guessed.split_once('_').map_or("", |(_, secret)| secret);
        return if is_random(secret) { MASK } else { whole }.to_owned();
    }
    match (named("path"), named("rest")) {
        (Some(path), Some(rest)) if rest.split(['/', '?', '&']).any(is_random) => format!("{path}{MASK}"),
        (Some(_), Some(_)) => whole.to_owned(),
        _ => MASK.to_owned(),
    }
}
