//! A token as it is written: three parts (RFC 7515), read without believing any of it.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use domain::tokens::TokenRefusal;
use serde::Deserialize;
use serde_json::{Map, Value};

/// Longest token that is looked at.
const TOKEN_BYTES_MAX: usize = 8 * 1024;

/// Longest name of a key.
const KID_BYTES_MAX: usize = 256;

/// How a token is signed. There are more algorithms; none of them is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Algorithm {
    /// RSA, PKCS #1 v1.5, SHA-256.
    Rs256,
    /// ECDSA on P-256, SHA-256.
    Es256,
    /// Ed25519.
    EdDsa,
}

impl Algorithm {
    /// By its name in a header or a key. RFC 9864 gives `EdDSA` on this curve a name of its own.
    pub(super) fn named(name: &str) -> Option<Self> {
        match name {
            "RS256" => Some(Self::Rs256),
            "ES256" => Some(Self::Es256),
            "EdDSA" | "Ed25519" => Some(Self::EdDsa),
            _ => None,
        }
    }
}

/// What of a header counts. Keys and addresses in it (`jwk`, `jku`, `x5u` …) are a stranger's word and never read.
#[derive(Deserialize)]
struct Header {
    alg: String,
    #[serde(default)]
    kid: Option<String>,
    #[serde(default)]
    typ: Option<String>,
    #[serde(default)]
    crit: Option<Value>,
}

/// A token whose signature was not checked yet.
pub(super) struct Token<'a> {
    signed: &'a str,
    payload: &'a str,
    signature: Vec<u8>,
    algorithm: Algorithm,
    kid: Option<String>,
}

impl<'a> Token<'a> {
    pub(super) fn read(text: &'a str) -> Result<Self, TokenRefusal> {
        let refused = TokenRefusal::Invalid;
        if text.len() > TOKEN_BYTES_MAX {
            return Err(refused("the token is too long"));
        }
        let (signed, signature) = text.rsplit_once('.').ok_or(refused("not three parts"))?;
        let (header, payload) = signed.split_once('.').ok_or(refused("not three parts"))?;
        if payload.contains('.') {
            return Err(refused("not three parts"));
        }
        let header = decode(header).ok_or(refused("the header is not base64url"))?;
        let header: Header = serde_json::from_slice(&header).map_err(|_| refused("the header can't be read"))?;
        let algorithm = Algorithm::named(&header.alg).ok_or(refused("the algorithm is not taken"))?;
        // Extensions that must be understood: none is.
        if header.crit.is_some() {
            return Err(refused("the header has critical extensions"));
        }
        if header.typ.as_deref().is_some_and(|typ| !is_jwt(typ)) {
            return Err(refused("the token is of another type"));
        }
        if header.kid.as_ref().is_some_and(|kid| kid.len() > KID_BYTES_MAX) {
            return Err(refused("the name of the key is too long"));
        }
        let signature = decode(signature).ok_or(refused("the signature is not base64url"))?;
        Ok(Self {
            signed,
            payload,
            signature,
            algorithm,
            kid: header.kid,
        })
    }

    pub(super) fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    pub(super) fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    pub(super) fn signed(&self) -> &[u8] {
        self.signed.as_bytes()
    }

    pub(super) fn signature(&self) -> &[u8] {
        &self.signature
    }

    /// To be asked for once the signature fits.
    pub(super) fn claims(&self) -> Result<Map<String, Value>, TokenRefusal> {
        let refused = TokenRefusal::Invalid("the claims can't be read");
        let payload = decode(self.payload).ok_or(refused)?;
        serde_json::from_slice(&payload).map_err(|_| refused)
    }
}

/// Other kinds of tokens (logout, security events) are signed by the same keys and say something else.
fn is_jwt(typ: &str) -> bool {
    let typ = typ.to_ascii_lowercase();
    matches!(typ.strip_prefix("application/").unwrap_or(&typ), "jwt" | "at+jwt")
}

/// Without padding, and without bits left over, so that no two texts are one token.
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}
