//! Tokens of people, against an issuer on loopback.

use std::{sync::Arc, time::Duration};

use contract::{MemberRole, OrganizationId, Timestamp};
use domain::{
    ProviderFault,
    clock::ManualClock,
    tokens::{TokenClaims, TokenError, TokenRefusal, TokenVerifier as _},
};
use providers::{JwtConfig, JwtVerifier};
use serde_json::{Value, json};
use testkit::{Issuer, Manner, Signer};

const NOW: i64 = 1_770_206_400;
const ORGANIZATION: &str = "019a3b5e-7c00-7000-8000-000000000001";

struct World {
    issuer: Issuer,
    clock: Arc<ManualClock>,
    verifier: JwtVerifier,
}

impl World {
    async fn of(signers: &[&Signer]) -> Self {
        Self::with(signers, |_| {}).await
    }

    async fn with(signers: &[&Signer], change: impl FnOnce(&mut JwtConfig)) -> Self {
        // Another test of the same process may have installed it already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let issuer = Issuer::publishing(signers).await;
        let clock = Arc::new(ManualClock::at(Timestamp::from_millis(NOW * 1000)));
        let mut config = JwtConfig::new(&issuer.jwks_url, Issuer::NAME, "callwright");
        config.timeout = Duration::from_secs(2);
        change(&mut config);
        let verifier = JwtVerifier::new(config, clock.clone()).unwrap();
        Self {
            issuer,
            clock,
            verifier,
        }
    }

    async fn said(&self, token: &str) -> String {
        match self.verifier.verify(token).await {
            Ok(claims) => claims.subject,
            Err(TokenError::Refused(TokenRefusal::Expired)) => "expired".to_owned(),
            Err(TokenError::Refused(TokenRefusal::Invalid(why))) => why.to_owned(),
            Err(TokenError::Unavailable(failure)) => format!("{:?}", failure.fault),
        }
    }
}

fn claims() -> Value {
    json!({
        "iss": Issuer::NAME,
        "aud": "callwright",
        "sub": "ada",
        "organization_id": ORGANIZATION,
        "iat": NOW,
        "exp": NOW + 300,
    })
}

fn claims_with(change: &Value) -> Value {
    let mut claims = claims();
    for (name, value) in change.as_object().unwrap() {
        if value.is_null() {
            claims.as_object_mut().unwrap().remove(name);
        } else {
            claims[name] = value.clone();
        }
    }
    claims
}

#[tokio::test]
async fn each_of_the_three_algorithms_is_taken_with_its_own_key() {
    let signers = [Signer::rs256("rsa"), Signer::es256("ec"), Signer::ed25519("ed")];
    let world = World::of(&signers.each_ref()).await;
    for signer in &signers {
        let claims = world.verifier.verify(&signer.token(&claims())).await.unwrap();
        let expected = TokenClaims {
            subject: "ada".to_owned(),
            organization: ORGANIZATION.parse::<OrganizationId>().unwrap(),
            role: None,
        };
        assert_eq!(claims, expected, "{}", signer.algorithm());
    }
    assert_eq!(world.issuer.asked(), 1);
}

#[tokio::test]
async fn no_other_algorithm_and_no_key_of_another_kind_is_taken() {
    let signers = [Signer::rs256("rsa"), Signer::es256("ec"), Signer::ed25519("ed")];
    let world = World::of(&signers.each_ref()).await;
    let [rsa, ec, _] = &signers;
    for alg in [
        "none", "None", "HS256", "HS512", "RS384", "PS256", "ES384", "ES256K", "",
    ] {
        let token = rsa.token_with(&json!({ "alg": alg, "kid": "rsa" }), &claims());
        assert_eq!(world.said(&token).await, "the algorithm is not taken", "{alg}");
    }
    let unsigned = rsa.token_with(&json!({ "alg": "none" }), &claims());
    let unsigned = format!("{}.", unsigned.rsplit_once('.').unwrap().0);
    assert_eq!(world.said(&unsigned).await, "the algorithm is not taken");
    // A true signature, under the name of an algorithm of which the key is not.
    for (signer, alg, kid) in [(rsa, "ES256", "rsa"), (rsa, "EdDSA", "rsa"), (ec, "RS256", "ec")] {
        let token = signer.token_with(&json!({ "alg": alg, "kid": kid }), &claims());
        let why = "the issuer has no such key for this algorithm";
        assert_eq!(world.said(&token).await, why, "{alg} {kid}");
    }
    let token = ec.token_with(&json!({ "alg": "RS256", "kid": "rsa" }), &claims());
    assert_eq!(world.said(&token).await, "the signature does not fit");
}

#[tokio::test]
async fn a_token_that_was_touched_or_is_no_token_is_refused() {
    let signer = Signer::es256("ec");
    let world = World::of(&[&signer]).await;
    let token = signer.token(&claims());
    assert_eq!(world.said(&token).await, "ada");
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let (header, payload) = signed.split_once('.').unwrap();
    let other = signer.token(&claims_with(&json!({ "sub": "eve" })));
    let other = other.split('.').nth(1).unwrap();
    for (text, why) in [
        (format!("{header}.{other}.{signature}"), "the signature does not fit"),
        (format!("{header}.{payload}."), "the signature does not fit"),
        (
            format!("{header}.{payload}.{}", &signature[..80]),
            "the signature does not fit",
        ),
        (
            format!("{header}.{payload}.{signature}="),
            "the signature is not base64url",
        ),
        (format!("{header}.{payload}.{signature}.x"), "not three parts"),
        (format!("{header}.{payload}"), "not three parts"),
        (format!("!.{payload}.{signature}"), "the header is not base64url"),
        (format!("e30.{payload}.{signature}"), "the header can't be read"),
        (format!("{token}{}", "A".repeat(8192)), "the token is too long"),
    ] {
        assert_eq!(world.said(&text).await, why, "{text}");
    }
}

#[tokio::test]
async fn headers_that_ask_for_more_are_refused() {
    let signer = Signer::ed25519("ed");
    let world = World::of(&[&signer]).await;
    for (header, why) in [
        (
            json!({ "alg": "EdDSA", "kid": "ed", "crit": ["b64"], "b64": false }),
            "the header has critical extensions",
        ),
        (
            json!({ "alg": "EdDSA", "kid": "ed", "crit": [] }),
            "the header has critical extensions",
        ),
        (
            json!({ "alg": "EdDSA", "kid": "ed", "typ": "logout+jwt" }),
            "the token is of another type",
        ),
        (
            json!({ "alg": "EdDSA", "kid": "x".repeat(257) }),
            "the name of the key is too long",
        ),
        (json!({ "alg": "EdDSA", "kid": 7 }), "the header can't be read"),
        (json!({ "alg": "EdDSA", "kid": "ed", "typ": "at+jwt" }), "ada"),
        // The header's own key is not looked at.
        (
            json!({ "alg": "EdDSA", "kid": "unknown", "jwk": signer.public(), "jku": "http://127.0.0.1:1/" }),
            "the issuer has no such key for this algorithm",
        ),
    ] {
        let token = signer.token_with(&header, &claims());
        assert_eq!(world.said(&token).await, why, "{header}");
    }
}

#[tokio::test]
async fn claims_must_be_for_us_and_for_now() {
    let signer = Signer::ed25519("ed");
    let world = World::of(&[&signer]).await;
    for (change, said) in [
        (json!({ "iss": "https://other.test/" }), "another issuer"),
        (json!({ "iss": null }), "another issuer"),
        (json!({ "aud": "another" }), "another audience"),
        (json!({ "aud": null }), "another audience"),
        (json!({ "aud": [] }), "another audience"),
        (json!({ "aud": ["another", "callwright"] }), "ada"),
        (json!({ "sub": null }), "no subject"),
        (json!({ "sub": "" }), "no subject"),
        (json!({ "sub": 7 }), "no subject"),
        (json!({ "sub": "a\u{0}b" }), "no subject"),
        (json!({ "sub": "x".repeat(256) }), "no subject"),
        (json!({ "organization_id": null }), "no organisation"),
        (json!({ "organization_id": "acme" }), "no organisation"),
        (json!({ "exp": null }), "no end"),
        (json!({ "exp": "tomorrow" }), "a time is no number"),
        (json!({ "exp": NOW - 59 }), "ada"),
        (json!({ "exp": NOW - 60 }), "expired"),
        (json!({ "exp": NOW - 60, "aud": "another" }), "another audience"),
        (json!({ "nbf": NOW + 60 }), "ada"),
        (json!({ "nbf": NOW + 61 }), "not valid yet"),
        (json!({ "iat": NOW + 61 }), "issued in the future"),
        (json!({ "exp": NOW as f64 + 0.5 }), "ada"),
    ] {
        let token = signer.token(&claims_with(&change));
        assert_eq!(world.said(&token).await, said, "{change}");
    }
}

#[tokio::test]
async fn claims_lie_where_the_settings_say() {
    let signer = Signer::ed25519("ed");
    let world = World::with(&[&signer], |config| {
        config.subject_claim = "https://claims.test/user".to_owned();
        config.organization_claim = "/tenant/id".to_owned();
        config.role_claim = Some("roles".to_owned());
    })
    .await;
    let base = json!({ "https://claims.test/user": "grace", "tenant": { "id": ORGANIZATION } });
    for (role, expected) in [
        (json!("owner"), Some(MemberRole::Owner)),
        (json!(["offline_access", "viewer", "admin"]), Some(MemberRole::Admin)),
        (json!("king"), None),
        (json!([]), None),
        (Value::Null, None),
    ] {
        let mut change = base.clone();
        change["roles"] = role.clone();
        let verified = world.verifier.verify(&signer.token(&claims_with(&change))).await;
        match expected {
            Some(expected) => {
                let claims = verified.unwrap();
                assert_eq!(
                    (claims.subject.as_str(), claims.role),
                    ("grace", Some(expected)),
                    "{role}"
                );
            }
            None => assert!(
                matches!(verified, Err(TokenError::Refused(TokenRefusal::Invalid("no role")))),
                "{role}"
            ),
        }
    }
}

#[tokio::test]
async fn a_new_key_is_fetched_when_a_token_names_it_and_a_withdrawn_one_is_forgotten() {
    let (first, second) = (Signer::es256("first"), Signer::es256("second"));
    let world = World::of(&[&first]).await;
    assert_eq!(world.said(&first.token(&claims())).await, "ada");
    world.issuer.publish(vec![second.public()]);
    let long = claims_with(&json!({ "exp": NOW + 86_400 }));
    // Just fetched: nobody is asked again.
    let why = "the issuer has no such key for this algorithm";
    assert_eq!(world.said(&second.token(&long)).await, why);
    world.clock.advance(Duration::from_secs(10));
    assert_eq!(world.said(&second.token(&long)).await, "ada");
    world.clock.advance(Duration::from_secs(10));
    assert_eq!(world.said(&first.token(&long)).await, why);
    assert_eq!(world.issuer.asked(), 3);
}

#[tokio::test]
async fn a_key_changed_under_its_name_or_without_one_is_noticed() {
    let long = claims_with(&json!({ "exp": NOW + 86_400 }));
    for names in ["same", ""] {
        let (first, second) = (Signer::es256(names), Signer::es256(names));
        let [old, new] = [&first, &second].map(|signer| {
            let mut key = signer.public();
            let mut header = json!({ "alg": "ES256", "kid": names });
            if names.is_empty() {
                key.as_object_mut().unwrap().remove("kid");
                header.as_object_mut().unwrap().remove("kid");
            }
            (key, signer.token_with(&header, &long))
        });
        let world = World::of(&[&first]).await;
        world.issuer.publish(vec![old.0]);
        assert_eq!(world.said(&old.1).await, "ada", "{names}");
        world.issuer.publish(vec![new.0]);
        assert_eq!(world.said(&new.1).await, "the signature does not fit", "just fetched");
        world.clock.advance(Duration::from_secs(10));
        assert_eq!(world.said(&new.1).await, "ada", "{names}");
        assert_eq!(world.issuer.asked(), 2);
    }
}

#[tokio::test]
async fn a_flood_of_unknown_keys_asks_the_issuer_once() {
    let signer = Signer::es256("known");
    let world = World::of(&[&signer]).await;
    let tokens: Vec<_> = (0..200)
        .map(|number| {
            signer.token_with(
                &json!({ "alg": "ES256", "kid": format!("made-up-{number}") }),
                &claims(),
            )
        })
        .collect();
    let said = futures_util::future::join_all(tokens.iter().map(|token| world.said(token))).await;
    let why = "the issuer has no such key for this algorithm";
    assert!(said.iter().all(|said| said == why), "{said:?}");
    assert_eq!(world.issuer.asked(), 1);
    assert_eq!(world.said(&signer.token(&claims())).await, "ada");
}

#[tokio::test]
async fn old_keys_are_kept_while_the_issuer_is_down_and_new_ones_are_nobodys_fault() {
    let (signer, unknown) = (Signer::es256("ec"), Signer::es256("new"));
    let world = World::of(&[&signer]).await;
    let claims = claims_with(&json!({ "exp": NOW + 10_000_000 }));
    assert_eq!(world.said(&signer.token(&claims)).await, "ada");
    world.issuer.behave(Manner::Status(503));
    world.clock.advance(Duration::from_hours(48));
    assert_eq!(world.said(&signer.token(&claims)).await, "ada");
    assert_eq!(world.issuer.asked(), 2);
    assert_eq!(world.said(&unknown.token(&claims)).await, "Rejected");
    world.issuer.behave(Manner::Good(None));
    world.issuer.publish(vec![unknown.public()]);
    world.clock.advance(Duration::from_secs(10));
    assert_eq!(world.said(&unknown.token(&claims)).await, "ada");
}

#[tokio::test]
async fn without_any_keys_the_failure_is_the_issuers_and_passes() {
    let signer = Signer::es256("ec");
    let world = World::of(&[&signer]).await;
    let token = signer.token(&claims_with(&json!({ "exp": NOW + 10_000 })));
    let large = format!("{{\"keys\":[],\"pad\":\"{}\"}}", "x".repeat(300 * 1024));
    for (manner, fault) in [
        (Manner::Status(500), ProviderFault::Rejected),
        (Manner::Redirect, ProviderFault::BadResponse),
        (Manner::Text("<html>".to_owned()), ProviderFault::BadResponse),
        (Manner::Text("{\"keys\":[]}".to_owned()), ProviderFault::BadResponse),
        (Manner::Text(large), ProviderFault::BadResponse),
        (Manner::Silent, ProviderFault::Timeout),
    ] {
        world.issuer.behave(manner.clone());
        world.clock.advance(Duration::from_secs(10));
        let Err(TokenError::Unavailable(failure)) = world.verifier.verify(&token).await else {
            panic!("{manner:?}");
        };
        assert_eq!((failure.fault, failure.retryable), (fault, true), "{manner:?}");
    }
    world.issuer.behave(Manner::Good(None));
    world.clock.advance(Duration::from_secs(10));
    assert_eq!(world.said(&token).await, "ada");
}

#[tokio::test]
async fn keys_are_fetched_anew_after_the_time_that_the_issuer_gives_within_bounds() {
    let signer = Signer::es256("ec");
    let token = signer.token(&claims_with(&json!({ "exp": NOW + 100_000 })));
    for (cache, good_for) in [
        (Some("max-age=300"), 300),
        (Some("max-age=0"), 60),
        (Some("max-age=86400"), 600),
        (None, 600),
    ] {
        let world = World::of(&[&signer]).await;
        world.issuer.behave(Manner::Good(cache));
        world.said(&token).await;
        world.clock.advance(Duration::from_secs(good_for - 1));
        world.said(&token).await;
        assert_eq!(world.issuer.asked(), 1, "{cache:?}");
        // Twice as old: the token waits for the fetch.
        world.clock.advance(Duration::from_secs(good_for + 1));
        world.said(&token).await;
        assert_eq!(world.issuer.asked(), 2, "{cache:?}");
    }
}

#[tokio::test]
async fn settings_that_would_take_foreign_tokens_are_refused() {
    let clock = Arc::new(ManualClock::default());
    let good = JwtConfig::new("https://issuer.test/keys", "https://issuer.test/", "callwright");
    for (change, why) in [
        (
            Box::new(|config: &mut JwtConfig| config.jwks_url = "ftp://issuer.test/".to_owned())
                as Box<dyn Fn(&mut JwtConfig)>,
            "jwks_url",
        ),
        (
            Box::new(|config| config.jwks_url = "file:///etc/passwd".to_owned()),
            "jwks_url",
        ),
        (Box::new(|config| config.issuer.clear()), "issuer"),
        (Box::new(|config| config.audiences.clear()), "audiences"),
        (Box::new(|config| config.audiences = vec![String::new()]), "audiences"),
    ] {
        let mut config = good.clone();
        change(&mut config);
        let Err(error) = JwtVerifier::new(config, clock.clone()) else {
            panic!("{why}");
        };
        assert!(error.to_string().contains(why), "{error}");
    }
}
