//! An issuer's keys, of which only those are kept that can check a token here.

use std::collections::HashMap;

use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
};
use serde::Deserialize;
use serde_json::Value;

use super::token::{Algorithm, decode};

/// Most keys that are kept.
const KEYS_MAX: usize = 100;

/// Fewest bits of an RSA modulus; ring refuses fewer by itself, but only at the first signature.
const RSA_BITS_MIN: usize = 2048;

/// Most bits of an RSA modulus.
const RSA_BITS_MAX: usize = 8192;

/// The public half of a signing key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Key {
    Rsa {
        n: Vec<u8>,
        e: Vec<u8>,
    },
    /// Uncompressed, as SEC 1 writes it.
    P256(Vec<u8>),
    Ed25519(Vec<u8>),
}

impl Key {
    /// The one algorithm that this key is for: a token can't choose another.
    pub(super) fn algorithm(&self) -> Algorithm {
        match self {
            Self::Rsa { .. } => Algorithm::Rs256,
            Self::P256(_) => Algorithm::Es256,
            Self::Ed25519(_) => Algorithm::EdDsa,
        }
    }

    pub(super) fn verifies(&self, signed: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::Rsa { n, e } => RsaPublicKeyComponents { n, e }
                .verify(&RSA_PKCS1_2048_8192_SHA256, signed, signature)
                .is_ok(),
            Self::P256(point) => UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
                .verify(signed, signature)
                .is_ok(),
            Self::Ed25519(point) => UnparsedPublicKey::new(&ED25519, point)
                .verify(signed, signature)
                .is_ok(),
        }
    }
}

#[derive(Deserialize)]
struct Document {
    keys: Vec<Value>,
}

/// A key as published. Whatever doesn't fit this, or holds more than a public key, is not kept.
#[derive(Deserialize)]
struct Published {
    kty: String,
    #[serde(default)]
    kid: Option<String>,
    #[serde(default)]
    alg: Option<String>,
    #[serde(default, rename = "use")]
    purpose: Option<String>,
    #[serde(default)]
    key_ops: Option<Vec<String>>,
    #[serde(default)]
    crv: Option<String>,
    #[serde(default)]
    n: Option<String>,
    #[serde(default)]
    e: Option<String>,
    #[serde(default)]
    x: Option<String>,
    #[serde(default)]
    y: Option<String>,
}

/// The keys of an issuer, by name.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct KeySet {
    named: HashMap<String, Key>,
    nameless: Vec<Key>,
}

impl KeySet {
    /// `None` when it is no set of keys, or holds none that could check a token.
    pub(super) fn read(text: &[u8]) -> Option<Self> {
        let document: Document = serde_json::from_slice(text).ok()?;
        let mut set = Self::default();
        let mut doubtful = Vec::new();
        for published in document.keys.into_iter().take(KEYS_MAX) {
            let Ok(published) = serde_json::from_value::<Published>(published) else {
                continue;
            };
            let Some(key) = published.key() else { continue };
            match published.kid {
                None => set.nameless.push(key),
                Some(kid) => match set.named.insert(kid.clone(), key.clone()) {
                    Some(other) if other != key => doubtful.push(kid),
                    _ => {}
                },
            }
        }
        for kid in doubtful {
            // Two keys of one name: nobody can say which is meant.
            set.named.remove(&kid);
        }
        (!set.named.is_empty() || !set.nameless.is_empty()).then_some(set)
    }

    /// The key that a token names, if it is for its algorithm. A token that names none may be meant for the only one.
    pub(super) fn find(&self, kid: Option<&str>, algorithm: Algorithm) -> Option<&Key> {
        if let Some(kid) = kid {
            return self.named.get(kid).filter(|key| key.algorithm() == algorithm);
        }
        let all = self.named.values().chain(&self.nameless);
        let mut fitting = all.filter(|key| key.algorithm() == algorithm);
        let only = fitting.next();
        only.filter(|_| fitting.next().is_none())
    }

    /// Whether it holds a key of this name, for whatever algorithm.
    pub(super) fn names(&self, kid: Option<&str>) -> bool {
        kid.is_none_or(|kid| self.named.contains_key(kid))
    }
}

impl Published {
    fn key(&self) -> Option<Key> {
        let signs = self.purpose.as_deref().is_none_or(|purpose| purpose == "sig")
            && self
                .key_ops
                .as_ref()
                .is_none_or(|ops| ops.iter().any(|op| op == "verify"));
        let key = match (self.kty.as_str(), self.crv.as_deref()) {
            ("RSA", None) => rsa(part(self.n.as_deref())?, part(self.e.as_deref())?)?,
            ("EC", Some("P-256")) => {
                let (x, y) = (point(self.x.as_deref())?, point(self.y.as_deref())?);
                Key::P256([&[4], x.as_slice(), y.as_slice()].concat())
            }
            ("OKP", Some("Ed25519")) => Key::Ed25519(point(self.x.as_deref())?),
            _ => return None,
        };
        let fits = match &self.alg {
            None => true,
            Some(alg) => Algorithm::named(alg) == Some(key.algorithm()),
        };
        (signs && fits).then_some(key)
    }
}

fn rsa(n: Vec<u8>, e: Vec<u8>) -> Option<Key> {
    let bits = n
        .first()
        .map_or(0, |first| n.len() * 8 - first.leading_zeros() as usize);
    let fine = (RSA_BITS_MIN..=RSA_BITS_MAX).contains(&bits) && !e.is_empty();
    fine.then_some(Key::Rsa { n, e })
}

/// A number of a key, without the zeros before it that some issuers write and ring refuses.
fn part(text: Option<&str>) -> Option<Vec<u8>> {
    let bytes = decode(text?)?;
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    Some(bytes[zeros..].to_vec())
}

/// A coordinate on either curve.
fn point(text: Option<&str>) -> Option<Vec<u8>> {
    decode(text?).filter(|bytes| bytes.len() == 32)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    use serde_json::json;

    use super::*;

    fn kept(keys: &Value) -> Option<KeySet> {
        KeySet::read(json!({ "keys": keys }).to_string().as_bytes())
    }

    fn ed(kid: &str, byte: u8) -> Value {
        json!({ "kty": "OKP", "crv": "Ed25519", "kid": kid, "x": URL_SAFE_NO_PAD.encode([byte; 32]) })
    }

    fn with(mut key: Value, name: &str, value: Value) -> Value {
        key[name] = value;
        key
    }

    #[test]
    fn only_keys_that_can_check_a_token_are_kept() {
        let rsa = |bytes: usize, first: u8| {
            let mut n = vec![0xff; bytes];
            n[0] = first;
            json!({ "kty": "RSA", "kid": "k", "n": URL_SAFE_NO_PAD.encode(n), "e": "AQAB" })
        };
        assert!(kept(&json!([ed("k", 1)])).is_some());
        assert!(kept(&json!([rsa(256, 0x80)])).is_some());
        // Some issuers write a zero before it.
        assert!(kept(&json!([rsa(257, 0x00)])).is_some());
        for (key, why) in [
            (rsa(128, 0xff), "1024 bits"),
            (rsa(256, 0x7f), "2047 bits"),
            (rsa(1025, 0xff), "too many bits"),
            (with(ed("k", 1), "use", json!("enc")), "for encryption"),
            (with(ed("k", 1), "key_ops", json!(["sign"])), "not for checking"),
            (with(ed("k", 1), "alg", json!("ES256")), "for another algorithm"),
            (with(ed("k", 1), "crv", json!("X25519")), "on another curve"),
            (with(ed("k", 1), "x", json!("AAAA")), "too short"),
            (json!({ "kty": "oct", "kid": "k", "k": "c2VjcmV0" }), "a shared secret"),
            (json!("k"), "no key at all"),
        ] {
            assert_eq!(kept(&json!([key])), None, "{why}");
        }
        // One that can't be used does not spoil the others.
        assert!(kept(&json!(["k", rsa(128, 0xff), ed("k", 1)])).is_some());
        assert_eq!(KeySet::read(b"{}"), None);
    }

    #[test]
    fn two_keys_of_one_name_are_none() {
        let set = kept(&json!([ed("twice", 1), ed("twice", 2), ed("once", 3)])).unwrap();
        assert_eq!(set.find(Some("twice"), Algorithm::EdDsa), None);
        assert!(set.find(Some("once"), Algorithm::EdDsa).is_some());
        // The very same key written twice is one.
        let set = kept(&json!([ed("twice", 1), ed("twice", 1)])).unwrap();
        assert!(set.find(Some("twice"), Algorithm::EdDsa).is_some());
    }

    #[test]
    fn a_token_without_a_name_is_meant_for_the_only_key() {
        let one = kept(&json!([ed("a", 1)])).unwrap();
        assert!(one.find(None, Algorithm::EdDsa).is_some());
        assert_eq!(one.find(None, Algorithm::Rs256), None);
        let two = kept(&json!([ed("a", 1), ed("b", 2)])).unwrap();
        assert_eq!(two.find(None, Algorithm::EdDsa), None);
    }
}
