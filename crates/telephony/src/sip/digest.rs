//! Digest authentication of callers (RFC 8760): parsing, verification, and nonces that need no table to be
//! recognised but keep a bounded one against replay.

use std::{
    collections::{HashMap, VecDeque},
    fmt::Write as _,
    sync::Mutex,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use md5::Md5;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// How long a nonce may be used after it was issued.
const NONCE_LIFETIME: Duration = Duration::from_mins(5);
/// Nonces whose use counts are remembered.
const REMEMBERED_MAX: usize = 4096;
/// Longest Authorization header that is looked at.
const HEADER_BYTES_MAX: usize = 4096;

/// What a request's credentials are worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Authentication {
    /// No usable Authorization header.
    Missing,
    /// Right password, but the nonce is expired, replayed or not ours: challenge again as stale.
    Stale,
    /// Another user, another realm or a wrong password.
    Wrong,
    /// The caller knows the password, and this request was not seen before.
    Good,
}

/// Issues nonces and remembers which use counts were spent.
pub struct NonceKeeper {
    key: [u8; 32],
    spent: Mutex<Spent>,
}

impl std::fmt::Debug for NonceKeeper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NonceKeeper").finish_non_exhaustive()
    }
}

#[derive(Default)]
struct Spent {
    highest: HashMap<String, u32>,
    order: VecDeque<(u64, String)>,
    /// Nonces issued up to this second were forgotten, so they count as stale.
    forgotten_until: u64,
}

impl NonceKeeper {
    /// A keeper with its own random key; its nonces mean nothing to another keeper.
    pub fn new() -> Self {
        Self {
            key: rand::random(),
            spent: Mutex::default(),
        }
    }

    /// A fresh nonce, valid from `now` for five minutes.
    pub(crate) fn issue(&self, now: SystemTime) -> String {
        let issued = seconds(now);
        let salt: u64 = rand::random();
        let body = format!("{issued:016x}{salt:016x}");
        let seal = self.seal(&body);
        format!("{body}{seal}")
    }

    /// Checks a request's Authorization header against one account.
    pub(crate) fn check(
        &self,
        request: &Presented<'_>,
        username: &str,
        password: &str,
        now: SystemTime,
    ) -> Authentication {
        let Some(given) = request.header.and_then(Given::parse) else {
            return Authentication::Missing;
        };
        let known = given.username.as_bytes().ct_eq(username.as_bytes())
            & given.realm.as_bytes().ct_eq(request.realm.as_bytes());
        let expected = given.expected(password, request.method);
        let right = expected
            .as_bytes()
            .ct_eq(given.response.to_ascii_lowercase().as_bytes());
        if !bool::from(known & right) {
            return Authentication::Wrong;
        }
        if self.spend(&given.nonce, given.count, now) {
            Authentication::Good
        } else {
            Authentication::Stale
        }
    }

    /// Marks one use of a nonce; false when it must not be used (again).
    fn spend(&self, nonce: &str, count: u32, now: SystemTime) -> bool {
        let Some(issued) = self.issued_at(nonce) else {
            return false;
        };
        let now = seconds(now);
        if issued > now || now - issued > NONCE_LIFETIME.as_secs() {
            return false;
        }
        // A poisoned lock only means that another thread panicked between two plain map operations.
        let mut spent = self.spent.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        spent.take(nonce, issued, count)
    }

    fn issued_at(&self, nonce: &str) -> Option<u64> {
        if nonce.len() != 64 || !nonce.is_ascii() {
            return None;
        }
        let (body, seal) = nonce.split_at(32);
        let ours = bool::from(self.seal(body).as_bytes().ct_eq(seal.as_bytes()));
        ours.then(|| u64::from_str_radix(&body[..16], 16).ok()).flatten()
    }

    fn seal(&self, body: &str) -> String {
        hex(&hmac_sha256(&self.key, body.as_bytes())[..16])
    }
}

impl Default for NonceKeeper {
    fn default() -> Self {
        Self::new()
    }
}

impl Spent {
    fn take(&mut self, nonce: &str, issued: u64, count: u32) -> bool {
        if let Some(highest) = self.highest.get_mut(nonce) {
            let fresh = count > *highest;
            *highest = count.max(*highest);
            return fresh;
        }
        if issued <= self.forgotten_until {
            return false;
        }
        if self.order.len() >= REMEMBERED_MAX
            && let Some((oldest, name)) = self.order.pop_front()
        {
            self.highest.remove(&name);
            self.forgotten_until = self.forgotten_until.max(oldest);
        }
        self.highest.insert(nonce.to_owned(), count);
        self.order.push_back((issued, nonce.to_owned()));
        true
    }
}

/// What of a request matters to digest verification.
pub(crate) struct Presented<'a> {
    /// Raw Authorization header value.
    pub(crate) header: Option<&'a str>,
    pub(crate) method: &'a str,
    pub(crate) realm: &'a str,
}

/// The user name a header claims, whatever it is worth.
pub(crate) fn claimed_username(header: &str) -> Option<String> {
    Given::parse(header).map(|given| given.username)
}

/// The parameters of an Authorization header.
struct Given {
    username: String,
    realm: String,
    nonce: String,
    uri: String,
    response: String,
    sha256: bool,
    /// `nc` as sent (it is part of the digest) and as a number.
    count_text: String,
    count: u32,
    cnonce: String,
    qop: Option<String>,
}

impl Given {
    fn parse(header: &str) -> Option<Self> {
        if header.len() > HEADER_BYTES_MAX {
            return None;
        }
        let (scheme, rest) = header.trim().split_once(char::is_whitespace)?;
        if !scheme.eq_ignore_ascii_case("digest") {
            return None;
        }
        let parameters = parameters(rest);
        let get = |name: &str| {
            parameters
                .iter()
                .find(|(key, _)| key.eq_ignore_ascii_case(name))
                .map(|(_, value)| value.clone())
        };
        let sha256 = match get("algorithm") {
            None => false,
            Some(name) if name.eq_ignore_ascii_case("md5") => false,
            Some(name) if name.eq_ignore_ascii_case("sha-256") || name.eq_ignore_ascii_case("sha256") => true,
            Some(_) => return None,
        };
        let qop = get("qop").filter(|qop| !qop.is_empty());
        if qop.as_ref().is_some_and(|qop| !qop.eq_ignore_ascii_case("auth")) {
            return None;
        }
        let count_text = get("nc").unwrap_or_default();
        // Without qop there is no count, so such a nonce is good for one request.
        let count = if qop.is_some() {
            u32::from_str_radix(&count_text, 16).ok()?
        } else {
            1
        };
        Some(Self {
            username: get("username")?,
            realm: get("realm")?,
            nonce: get("nonce")?,
            uri: get("uri")?,
            response: get("response")?,
            sha256,
            count_text,
            count,
            cnonce: get("cnonce").unwrap_or_default(),
            qop,
        })
    }

    fn expected(&self, password: &str, method: &str) -> String {
        let hash = if self.sha256 { sha256_hex } else { md5_hex };
        let account = hash(&format!("{}:{}:{password}", self.username, self.realm));
        let target = hash(&format!("{method}:{}", self.uri));
        match &self.qop {
            Some(qop) => hash(&format!(
                "{account}:{}:{}:{}:{qop}:{target}",
                self.nonce, self.count_text, self.cnonce
            )),
            None => hash(&format!("{account}:{}:{target}", self.nonce)),
        }
    }
}

/// Splits `a="x, y", b=z`, with backslash escapes inside quotes.
fn parameters(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((key, after)) = rest.split_once('=') {
        let after = after.trim_start();
        let (value, next) = if let Some(quoted) = after.strip_prefix('"') {
            unquote(quoted)
        } else {
            bare(after)
        };
        found.push((
            key.trim_matches(|c: char| c == ',' || c.is_whitespace()).to_owned(),
            value,
        ));
        rest = next;
    }
    found
}

fn unquote(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => {
                value.push(c);
                escaped = false;
            }
            '\\' => escaped = true,
            '"' => return (value, &text[at + 1..]),
            _ => value.push(c),
        }
    }
    (value, "")
}

fn bare(text: &str) -> (String, &str) {
    let end = text.find(',').unwrap_or(text.len());
    (text[..end].trim().to_owned(), &text[end..])
}

/// The two challenges of a 401, MD5 first because much telephone equipment reads only the first one.
pub(crate) fn challenges(keeper: &NonceKeeper, realm: &str, stale: bool, now: SystemTime) -> [String; 2] {
    ["MD5", "SHA-256"].map(|algorithm| {
        let nonce = keeper.issue(now);
        let realm = realm.replace(['"', '\\', '\r', '\n'], "");
        let stale = if stale { ", stale=true" } else { "" };
        format!("Digest realm=\"{realm}\", nonce=\"{nonce}\", algorithm={algorithm}, qop=\"auth\"{stale}")
    })
}

fn hmac_sha256(key: &[u8; 32], message: &[u8]) -> [u8; 32] {
    let mut inner = [0x36_u8; 64];
    let mut outer = [0x5c_u8; 64];
    for (at, byte) in key.iter().enumerate() {
        inner[at] ^= byte;
        outer[at] ^= byte;
    }
    let digest = Sha256::new().chain_update(inner).chain_update(message).finalize();
    Sha256::new().chain_update(outer).chain_update(digest).finalize().into()
}

fn md5_hex(text: &str) -> String {
    hex(Md5::digest(text.as_bytes()).as_slice())
}

fn sha256_hex(text: &str) -> String {
    hex(Sha256::digest(text.as_bytes()).as_slice())
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to a String does not fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    const REALM: &str = "callwright";

    fn authorization(nonce: &str, count: u32, password: &str, sha256: bool) -> String {
        let given = Given {
            username: "trunk".into(),
            realm: REALM.into(),
            nonce: nonce.into(),
            uri: "sip:+1415@10.0.0.1".into(),
            response: String::new(),
            sha256,
            count_text: format!("{count:08x}"),
            count,
            cnonce: "c".into(),
            qop: Some("auth".into()),
        };
        let algorithm = if sha256 { "SHA-256" } else { "MD5" };
        format!(
            "Digest username=\"trunk\", realm=\"{REALM}\", nonce=\"{nonce}\", uri=\"{}\", response=\"{}\", algorithm={algorithm}, qop=auth, nc={:08x}, cnonce=\"c\"",
            given.uri,
            given.expected(password, "INVITE"),
            count
        )
    }

    fn check(keeper: &NonceKeeper, header: &str, now: SystemTime) -> Authentication {
        let request = Presented {
            header: Some(header),
            method: "INVITE",
            realm: REALM,
        };
        keeper.check(&request, "trunk", "secret", now)
    }

    #[test]
    fn the_digest_of_rfc_2617_is_reproduced() {
        let header = "Digest username=\"Mufasa\", realm=\"testrealm@host.com\", nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", \
            uri=\"/dir/index.html\", qop=auth, nc=00000001, cnonce=\"0a4f113b\", response=\"6629fae49393a05397450978507c4ef1\", opaque=\"5ccc069c403ebaf9f0171e9517f40e41\"";
        let given = Given::parse(header).unwrap();
        assert_eq!(given.expected("Circle Of Life", "GET"), given.response);
    }

    #[test]
    fn the_hmac_of_rfc_4231_is_reproduced() {
        let mut key = [0; 32];
        key[..4].copy_from_slice(b"Jefe");
        let seal = hex(&hmac_sha256(&key, b"what do ya want for nothing?"));
        assert_eq!(seal, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    }

    #[test]
    fn both_algorithms_are_accepted_once_per_count() {
        let keeper = NonceKeeper::new();
        let now = SystemTime::now();
        for sha256 in [false, true] {
            let nonce = keeper.issue(now);
            assert_eq!(
                check(&keeper, &authorization(&nonce, 1, "secret", sha256), now),
                Authentication::Good
            );
            assert_eq!(
                check(&keeper, &authorization(&nonce, 1, "secret", sha256), now),
                Authentication::Stale
            );
            assert_eq!(
                check(&keeper, &authorization(&nonce, 2, "secret", sha256), now),
                Authentication::Good
            );
        }
    }

    #[test]
    fn a_wrong_password_is_wrong_even_with_a_foreign_nonce() {
        let keeper = NonceKeeper::new();
        let now = SystemTime::now();
        let theirs = NonceKeeper::new().issue(now);
        assert_eq!(
            check(&keeper, &authorization(&theirs, 1, "guess", false), now),
            Authentication::Wrong
        );
        assert_eq!(
            check(&keeper, &authorization(&theirs, 1, "secret", false), now),
            Authentication::Stale
        );
    }

    #[test]
    fn a_nonce_expires() {
        let keeper = NonceKeeper::new();
        let then = SystemTime::now();
        let header = authorization(&keeper.issue(then), 1, "secret", false);
        let later = then + NONCE_LIFETIME + Duration::from_secs(1);
        assert_eq!(check(&keeper, &header, later), Authentication::Stale);
    }

    #[test]
    fn the_replay_table_stays_bounded_and_forgets_safely() {
        let keeper = NonceKeeper::new();
        let now = SystemTime::now();
        let first = authorization(&keeper.issue(now), 1, "secret", false);
        assert_eq!(check(&keeper, &first, now), Authentication::Good);
        for at in 0..u64::try_from(REMEMBERED_MAX).unwrap() {
            assert!(
                keeper.spend(
                    &keeper.issue(now + Duration::from_secs(1)),
                    1,
                    now + Duration::from_secs(1)
                ),
                "{at}"
            );
        }
        assert_eq!(keeper.spent.lock().unwrap().highest.len(), REMEMBERED_MAX);
        assert_eq!(check(&keeper, &first, now), Authentication::Stale);
    }

    #[test]
    fn odd_headers_are_missing_not_a_panic() {
        let keeper = NonceKeeper::new();
        for header in [
            "",
            "Digest",
            "Basic abc",
            "Digest username=",
            "Digest \"=\"=\\",
            "Digest nc=zz, qop=auth",
            "Digest username=\"\u{fe0f}\\",
        ] {
            assert_eq!(
                check(&keeper, header, SystemTime::now()),
                Authentication::Missing,
                "{header}"
            );
        }
    }
}
