//! The environment: the only place that reads it.

use std::path::PathBuf;

use anyhow::{Result, bail};
use toml::{Table, Value};

use super::{Config, set};

const PREFIX: &str = "CALLWRIGHT_";
const PROVIDERS: &str = "CALLWRIGHT_PROVIDERS_";

/// Settings that have no default and so don't show in the default configuration.
const WITHOUT_DEFAULT: &[&str] = &[
    "database",
    "redis.url",
    "auth.jwt.jwks_url",
    "auth.jwt.role_claim",
    "sip.external",
    "rtp.ip",
    "rtp.external_ip",
    "models.speech_to_text",
    "billing.stripe.webhook_secret",
];
/// Settings of a provider that a variable can give.
const OF_A_PROVIDER: &[&str] = &["api_key", "base_url", "tts_model", "language"];

/// All `CALLWRIGHT_…` variables.
pub(super) fn variables() -> Vec<(String, String)> {
    // The machine may have variables that are not UTF-8; ours are, or become refused values.
    std::env::vars_os()
        .map(|(name, value)| {
            (
                name.to_string_lossy().into_owned(),
                value.to_string_lossy().into_owned(),
            )
        })
        .filter(|(name, _)| name.starts_with(PREFIX))
        .collect()
}

/// The home folder.
pub(super) fn home() -> Option<PathBuf> {
    std::env::var_os("HOME").map(PathBuf::from)
}

/// Lays variables over settings.
pub(super) fn overlay(settings: &mut Table, variables: Vec<(String, String)>) -> Result<()> {
    let known = known_paths()?;
    for (name, text) in variables {
        if let Some(path) = provider_path(&name) {
            set(settings, &path, Value::String(text))?;
            continue;
        }
        let Some((path, like)) = known.iter().find(|(path, _)| variable(path) == name) else {
            return unknown(&name, &known);
        };
        set(settings, path, value(&name, &text, like)?)?;
    }
    Ok(())
}

pub(super) fn variable(path: &str) -> String {
    format!("{PREFIX}{}", path.replace('.', "_").to_uppercase())
}

/// `CALLWRIGHT_PROVIDERS_MY_BOX_API_KEY` is `providers.my_box.api_key`.
fn provider_path(name: &str) -> Option<String> {
    let rest = name.strip_prefix(PROVIDERS)?.to_lowercase();
    OF_A_PROVIDER.iter().find_map(|field| {
        let provider = rest.strip_suffix(field)?.strip_suffix('_')?;
        (!provider.is_empty()).then(|| format!("providers.{provider}.{field}"))
    })
}

/// Every path with its default, which tells the type.
pub(super) fn known_paths() -> Result<Vec<(String, Value)>> {
    let mut paths = Vec::new();
    collect("", &Value::try_from(Config::default())?, &mut paths);
    paths.extend(
        WITHOUT_DEFAULT
            .iter()
            .map(|path| ((*path).to_owned(), Value::String(String::new()))),
    );
    Ok(paths)
}

fn collect(prefix: &str, value: &Value, paths: &mut Vec<(String, Value)>) {
    match value {
        Value::Table(table) => {
            for (name, value) in table {
                let path = if prefix.is_empty() {
                    name.clone()
                } else {
                    format!("{prefix}.{name}")
                };
                collect(&path, value, paths);
            }
        }
        leaf => paths.push((prefix.to_owned(), leaf.clone())),
    }
}

fn value(name: &str, text: &str, like: &Value) -> Result<Value> {
    let parsed = match like {
        Value::Boolean(_) => text.parse().ok().map(Value::Boolean),
        Value::Integer(_) => text.parse().ok().map(Value::Integer),
        Value::Float(_) => text.parse().ok().map(Value::Float),
        Value::Array(_) => Some(Value::Array(parts(text))),
        _ => Some(Value::String(text.to_owned())),
    };
    match parsed {
        Some(value) => Ok(value),
        None => bail!(
            "{name} must be {}, not {text:?}",
            if like.is_bool() { "true or false" } else { "a number" }
        ),
    }
}

/// A list, its parts with commas between.
fn parts(text: &str) -> Vec<Value> {
    let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
    parts.map(|part| Value::String(part.to_owned())).collect()
}

fn unknown(name: &str, known: &[(String, Value)]) -> Result<()> {
    let near = known
        .iter()
        .map(|(path, _)| variable(path))
        .map(|known| (strsim::damerau_levenshtein(&known, name), known))
        .min()
        .filter(|(distance, _)| *distance <= 4);
    match near {
        Some((_, near)) => bail!("there is no setting {name}; did you mean {near}?"),
        None => bail!("there is no setting {name}; `callwright config` prints all of them"),
    }
}
