//! Money.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context, Result, bail};
use contract::{Credits, Prices};
use domain::billing::{BillingRules, PaymentPages};
use providers::{Secret, StripeConfig, StripePrice};
use serde::{Deserialize, Serialize};

/// Shorter beginnings leave no time to say goodbye in.
const MINIMUM_SECONDS: u32 = 10;
/// Longest that anything here may be, in days.
const DAYS_MAX: u32 = 3650;

/// Who pays for what. Credits and prices are written as decimals in quotes: `"0.25"`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct BillingSection {
    /// Whether organisations have to pay. Off, everything is metered and nothing refused.
    pub(crate) enabled: bool,
    /// Credits for a minute of a call that comes in.
    pub(crate) inbound_per_minute: String,
    /// Credits for a minute of a call that is placed.
    pub(crate) outbound_per_minute: String,
    /// Credits for a minute of a call from a browser.
    pub(crate) webrtc_per_minute: String,
    /// Seconds that must be affordable for a call to begin; at least 10. Only what is used is paid.
    pub(crate) call_minimum_seconds: u32,
    /// Seconds that are paid ahead at a time while a call goes on.
    pub(crate) call_extend_seconds: u32,
    /// Days of a trial.
    pub(crate) trial_days: u32,
    /// Credits that come with a trial.
    pub(crate) trial_credits: String,
    /// Days for which an organisation may spend on although a payment is missing.
    pub(crate) grace_days: u32,
    /// Where people are sent who must subscribe or buy credits: `details.redirect_url` of 402. A path on the host that
    /// they came to, or a whole address.
    pub(crate) redirect_url: String,
    /// The same for those whose trial was not started.
    pub(crate) trial_redirect_url: String,
    /// Payments through Stripe.
    pub(crate) stripe: StripeSection,
}

/// Payments through Stripe.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct StripeSection {
    /// Signing secret of the webhook's endpoint (`whsec_…`); without it the webhook is off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) webhook_secret: Option<String>,
    /// What is bought at a price, by Stripe's id of the price.
    pub(crate) prices: BTreeMap<String, PriceSection>,
}

/// What is bought at a price.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PriceSection {
    /// Name of the plan, for a subscription.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) plan: Option<String>,
    /// Credits that come with each payment.
    #[serde(default = "none")]
    pub(crate) credits: String,
}

fn none() -> String {
    "0".to_owned()
}

impl Default for BillingSection {
    fn default() -> Self {
        let rules = BillingRules::default();
        let days = |length: Duration| u32::try_from(length.as_secs() / 86_400).unwrap_or(DAYS_MAX);
        Self {
            enabled: rules.enabled,
            inbound_per_minute: rules.prices.inbound_per_minute.to_string(),
            outbound_per_minute: rules.prices.outbound_per_minute.to_string(),
            webrtc_per_minute: rules.prices.webrtc_per_minute.to_string(),
            call_minimum_seconds: rules.prices.call_minimum_seconds,
            call_extend_seconds: rules.extend_seconds,
            trial_days: days(rules.trial),
            trial_credits: rules.trial_credits.to_string(),
            grace_days: days(rules.grace),
            redirect_url: rules.pages.billing,
            trial_redirect_url: rules.pages.trial,
            stripe: StripeSection::default(),
        }
    }
}

impl BillingSection {
    /// As the use cases take it; says which setting can't be used.
    pub(crate) fn rules(&self) -> Result<BillingRules> {
        let prices = Prices {
            inbound_per_minute: credits("inbound_per_minute", &self.inbound_per_minute)?,
            outbound_per_minute: credits("outbound_per_minute", &self.outbound_per_minute)?,
            webrtc_per_minute: credits("webrtc_per_minute", &self.webrtc_per_minute)?,
            call_minimum_seconds: self.call_minimum_seconds,
        };
        if self.call_minimum_seconds < MINIMUM_SECONDS || self.call_extend_seconds < MINIMUM_SECONDS {
            bail!("billing.call_minimum_seconds and billing.call_extend_seconds must be at least {MINIMUM_SECONDS}");
        }
        if self.trial_days > DAYS_MAX || self.grace_days > DAYS_MAX {
            bail!("billing.trial_days and billing.grace_days must be at most {DAYS_MAX}");
        }
        let days = |days: u32| Duration::from_hours(24 * u64::from(days));
        Ok(BillingRules {
            enabled: self.enabled,
            prices,
            trial: days(self.trial_days),
            trial_credits: credits("trial_credits", &self.trial_credits)?,
            grace: days(self.grace_days),
            extend_seconds: self.call_extend_seconds,
            pages: PaymentPages {
                trial: page("trial_redirect_url", &self.trial_redirect_url)?,
                billing: page("redirect_url", &self.redirect_url)?,
            },
        })
    }

    /// What reads Stripe's webhook, where there is a secret for it.
    pub(crate) fn stripe(&self) -> Result<Option<StripeConfig>> {
        let mut prices = std::collections::HashMap::new();
        for (id, price) in &self.stripe.prices {
            let price = StripePrice {
                plan: price.plan.clone(),
                credits: credits(&format!("stripe.prices.{id}.credits"), &price.credits)?,
            };
            prices.insert(id.clone(), price);
        }
        let secret = self.stripe.webhook_secret.as_ref();
        if secret.is_some_and(String::is_empty) {
            bail!("billing.stripe.webhook_secret is empty: anybody could sign with it");
        }
        Ok(secret.map(|secret| StripeConfig {
            webhook_secret: Secret::new(secret),
            prices,
        }))
    }
}

fn credits(name: &str, text: &str) -> Result<Credits> {
    text.parse()
        .with_context(|| format!("billing.{name} can't be used: {text:?}"))
}

/// A place that browsers find wherever they read of it: what begins with two slashes would be another host.
fn page(name: &str, text: &str) -> Result<String> {
    let is_path = text.starts_with('/') && !text.starts_with("//");
    let host = ["https://", "http://"]
        .iter()
        .find_map(|scheme| text.strip_prefix(scheme));
    let is_address = host.is_some_and(|rest| is_host(rest.split(['/', '?', '#']).next().unwrap_or_default()));
    let is_written_well = text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    if (is_path || is_address) && is_written_well {
        Ok(text.to_owned())
    } else {
        bail!(
            "billing.{name} must be a path such as /settings/billing or an address such as \
             https://app.example/billing, not {text:?}"
        )
    }
}

/// A host, perhaps with a port, and nothing before it: neither a password, which every answer would tell, nor what
/// passes for another host.
fn is_host(authority: &str) -> bool {
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    };
    !host.is_empty() && !authority.contains('@') && port.is_none_or(|port| port.parse::<u16>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_are_sent_to_a_path_or_to_a_web_address() {
        for (text, is_fine) in [
            ("/settings/billing", true),
            ("/pay?plan=pro#cards", true),
            ("https://app.example/billing", true),
            ("http://127.0.0.1:3000", true),
            ("", false),
            ("settings/billing", false),
            ("//elsewhere.example/billing", false),
            ("/\\elsewhere.example", false),
            ("javascript:alert(1)", false),
            ("https://", false),
            ("https:///billing", false),
            ("https://[2001:db8::1]/billing", true),
            ("https://[2001:db8::1]:8443/billing?from=@home", true),
            ("https://user:secret@app.example/", false),
            ("https://app.example@elsewhere.example/", false),
            ("https://app.example:port/", false),
            ("HTTPS://app.example/", false),
            ("/settings billing", false),
        ] {
            for name in ["redirect_url", "trial_redirect_url"] {
                let section = toml::Table::from_iter([(name.to_owned(), text.into())]);
                let section: BillingSection = section.try_into().unwrap_or_default();
                let rules = section.rules();
                assert_eq!(rules.is_ok(), is_fine, "{name} {text}");
                let told = rules.err().map(|error| error.to_string());
                assert!(
                    told.is_none_or(|told| told.contains(&format!("billing.{name} "))),
                    "{text}"
                );
            }
        }
    }
}
