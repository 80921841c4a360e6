//! An issuer of tokens on loopback: real keys, real signatures, and bad manners on demand.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::{
    rand::SystemRandom,
    rsa::PublicKeyComponents,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair,
    },
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle};

/// Made once with `openssl genpkey`, as ring makes no RSA keys; signs nothing outside of tests.
const RSA_2048: &[u8] = include_bytes!("../fixtures/rsa2048.pk8");

/// A private key with its name.
pub struct Signer {
    kid: String,
    pair: Pair,
}

enum Pair {
    Rsa(Box<RsaKeyPair>),
    P256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl Signer {
    /// Signs by RS256; every one has the same key.
    pub fn rs256(kid: &str) -> Self {
        let pair = RsaKeyPair::from_pkcs8(RSA_2048).expect("the fixture is an RSA key");
        Self::of(kid, Pair::Rsa(Box::new(pair)))
    }

    /// Signs by ES256, with a fresh key.
    pub fn es256(kid: &str) -> Self {
        let random = SystemRandom::new();
        let made = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).expect("a key");
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, made.as_ref(), &random);
        Self::of(kid, Pair::P256(pair.expect("a key")))
    }

    /// Signs by `EdDSA`, with a fresh key.
    pub fn ed25519(kid: &str) -> Self {
        let made = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).expect("a key");
        Self::of(
            kid,
            Pair::Ed25519(Ed25519KeyPair::from_pkcs8(made.as_ref()).expect("a key")),
        )
    }

    fn of(kid: &str, pair: Pair) -> Self {
        Self {
            kid: kid.to_owned(),
            pair,
        }
    }

    /// As it stands in a header.
    pub fn algorithm(&self) -> &'static str {
        match self.pair {
            Pair::Rsa(_) => "RS256",
            Pair::P256(_) => "ES256",
            Pair::Ed25519(_) => "EdDSA",
        }
    }

    /// The public half, as issuers publish it.
    pub fn public(&self) -> Value {
        let key = match &self.pair {
            Pair::Rsa(pair) => {
                let public = PublicKeyComponents::<Vec<u8>>::from(pair.public());
                json!({ "kty": "RSA", "n": encode(&public.n), "e": encode(&public.e) })
            }
            Pair::P256(pair) => {
                let point = pair.public_key().as_ref();
                json!({ "kty": "EC", "crv": "P-256", "x": encode(&point[1..33]), "y": encode(&point[33..]) })
            }
            Pair::Ed25519(pair) => {
                json!({ "kty": "OKP", "crv": "Ed25519", "x": encode(pair.public_key().as_ref()) })
            }
        };
        let mut key = key;
        key["kid"] = self.kid.clone().into();
        key["alg"] = self.algorithm().into();
        key["use"] = "sig".into();
        key
    }

    /// A token with the usual header.
    pub fn token(&self, claims: &Value) -> String {
        let header = json!({ "alg": self.algorithm(), "kid": self.kid, "typ": "JWT" });
        self.token_with(&header, claims)
    }

    /// A token with any header, truly signed by this key.
    pub fn token_with(&self, header: &Value, claims: &Value) -> String {
        let signed = format!(
            "{}.{}",
            encode(header.to_string().as_bytes()),
            encode(claims.to_string().as_bytes())
        );
        let signature = self.sign(signed.as_bytes());
        format!("{signed}.{}", encode(&signature))
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match &self.pair {
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature)
                    .expect("a signature");
                signature
            }
            Pair::P256(pair) => pair.sign(&random, message).expect("a signature").as_ref().to_vec(),
            Pair::Ed25519(pair) => pair.sign(message).as_ref().to_vec(),
        }
    }
}

fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// How an issuer answers.
#[derive(Clone, Debug)]
pub enum Manner {
    /// With what it publishes; `Cache-Control` if given.
    Good(Option<&'static str>),
    /// With this status and nothing else.
    Status(u16),
    /// With a redirect to where the keys are.
    Redirect,
    /// With this text.
    Text(String),
    /// Never.
    Silent,
}

/// An issuer of tokens.
pub struct Issuer {
    /// Where its keys are.
    pub jwks_url: String,
    shared: Shared,
    server: JoinHandle<()>,
}

#[derive(Clone)]
struct Shared(Arc<Inner>);

struct Inner {
    keys: Mutex<Vec<Value>>,
    manner: Mutex<Manner>,
    asked: AtomicUsize,
}

impl Issuer {
    /// What stands in `iss`.
    pub const NAME: &'static str = "https://issuer.test/";

    /// One that publishes these keys.
    pub async fn publishing(signers: &[&Signer]) -> Self {
        let shared = Shared(Arc::new(Inner {
            keys: Mutex::default(),
            manner: Mutex::new(Manner::Good(None)),
            asked: AtomicUsize::new(0),
        }));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let routes = Router::new()
            .route("/keys", get(answer))
            .route("/elsewhere", get(publish))
            .with_state(shared.clone());
        let server = tokio::spawn(async move { axum::serve(listener, routes).await.expect("a server") });
        let issuer = Self {
            jwks_url: format!("http://{address}/keys"),
            shared,
            server,
        };
        issuer.publish(signers.iter().map(|signer| signer.public()).collect());
        issuer
    }

    /// Replaces its keys.
    pub fn publish(&self, keys: Vec<Value>) {
        *self.shared.0.keys.lock().expect("nobody panicked") = keys;
    }

    /// From now on it answers so.
    pub fn behave(&self, manner: Manner) {
        *self.shared.0.manner.lock().expect("nobody panicked") = manner;
    }

    /// How often it was asked for its keys.
    pub fn asked(&self) -> usize {
        self.shared.0.asked.load(Ordering::SeqCst)
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn answer(State(shared): State<Shared>) -> Response {
    shared.0.asked.fetch_add(1, Ordering::SeqCst);
    let manner = shared.0.manner.lock().expect("nobody panicked").clone();
    match manner {
        Manner::Good(None) => publish(State(shared)).await,
        Manner::Good(Some(cache)) => ([(header::CACHE_CONTROL, cache)], publish(State(shared)).await).into_response(),
        Manner::Status(status) => StatusCode::from_u16(status).expect("a status").into_response(),
        Manner::Redirect => (StatusCode::FOUND, [(header::LOCATION, "/elsewhere")]).into_response(),
        Manner::Text(text) => Body::from(text).into_response(),
        Manner::Silent => {
            tokio::time::sleep(Duration::from_hours(1)).await;
            StatusCode::OK.into_response()
        }
    }
}

async fn publish(State(shared): State<Shared>) -> Response {
    let keys = shared.0.keys.lock().expect("nobody panicked").clone();
    Body::from(json!({ "keys": keys }).to_string()).into_response()
}
