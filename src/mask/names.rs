//! Which names tell that what they name is a secret, and which words look like one.

/// A name is one of a secret if it has one of these in it, whatever stands between its letters.
const PARTS: [&str; 44] = [
    "token",
    "secret",
    "password",
    "passwd",
    "passphrase",
    "passcode",
    "passwort",
    "kennwort",
    "wachtwoord",
    "motdepasse",
    "contraseña",
    "contrasena",
    "senha",
    "hasło",
    "heslo",
    "пароль",
    "密码",
    "apikey",
    "accesskey",
    "privatekey",
    "secretkey",
    "sshkey",
    "signingkey",
    "encryptionkey",
    "masterkey",
    "hostkey",
    "accountkey",
    "sharedkey",
    "authkey",
    "licensekey",
    "credential",
    "signature",
    "authorization",
    "authorisation",
    "bearer",
    "cookie",
    "sessionid",
    "sessionkey",
    "connectionstring",
    "webhookurl",
    "otpauth",
    "recoverycode",
    "backupcode",
    "htpasswd",
];
/// Or if one of these is a word of it.
const WORDS: [&str; 23] = [
    "key", "keys", "auth", "pass", "pwd", "pw", "passw", "psw", "session", "sid", "sig", "jwt", "pin", "otp", "totp",
    "mfa", "dsn", "cred", "creds", "psk", "hmac", "csrf", "xsrf",
];
/// But a key behind one of these opens nothing.
const PLAIN_KEYS: [&str; 11] = [
    "group",
    "primary",
    "foreign",
    "sort",
    "partition",
    "routing",
    "cache",
    "row",
    "object",
    "metric",
    "hash",
];

/// How sure a name makes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Certainty {
    /// In a sentence as well as before a sign.
    Surely,
    /// It is a word of sentences, too, and tells more as the name of a field.
    Perhaps,
    No,
}

/// Whether a field of this name holds a secret.
pub(super) fn is_telling(name: &str) -> bool {
    judge(name) != Certainty::No
}

pub(super) fn judge(name: &str) -> Certainty {
    if name.len() < 2 {
        return Certainty::No;
    }
    let letters: String = name
        .chars()
        .filter(|c| c.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect();
    if PARTS.iter().any(|part| letters.contains(part)) {
        return Certainty::Surely;
    }
    let words = words(name);
    let tells = |(at, word): (usize, &String)| {
        let is_plain = || at > 0 && word.starts_with("key") && PLAIN_KEYS.contains(&words[at - 1].as_str());
        WORDS.contains(&word.as_str()) && !is_plain()
    };
    if words.iter().enumerate().any(tells) {
        Certainty::Perhaps
    } else {
        Certainty::No
    }
}

/// Words in small letters: `X-Auth_userPwd` has four.
fn words(name: &str) -> Vec<String> {
    let (mut words, mut was_lower) = (vec![String::new()], false);
    for c in name.chars() {
        if !c.is_alphanumeric() || (c.is_uppercase() && was_lower) {
            words.push(String::new());
        }
        was_lower = c.is_lowercase() || c.is_ascii_digit();
        if let Some(word) = words.last_mut().filter(|_| c.is_alphanumeric()) {
            word.extend(c.to_lowercase());
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Letters and digits of a name.
pub(super) fn is_part(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '-' | '.')
}

/// How many characters of a word are looked at: more say nothing more.
const LOOKED_AT: usize = 64;

/// Whether a word is none that people write: it mixes letters with digits or, inside, small ones with capitals; or it is long.
pub(super) fn looks_random(word: &str) -> bool {
    let (mut letters, mut digits, mut others, mut mixes, mut was_lower) = (0, 0, 0, false, false);
    for c in word.chars().take(LOOKED_AT) {
        mixes |= was_lower && c.is_uppercase();
        was_lower = c.is_lowercase();
        match c {
            c if c.is_ascii_digit() => digits += 1,
            c if c.is_alphabetic() => letters += 1,
            _ => others += 1,
        }
    }
    let length = letters + digits + others;
    length >= 4 && ((digits > 0 && (letters > 0 || others == 0)) || mixes || (length >= 20 && others == 0))
}
