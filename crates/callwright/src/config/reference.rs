//! The page about every setting, written from the settings' own types: names, defaults and what they mean.

use std::{collections::BTreeMap, fmt::Write as _};

use anyhow::Result;
use serde_json::Value as Json;
use toml::Value;
use utoipa::{PartialSchema as _, ToSchema as _};

use super::{Config, environment};

/// Defaults that depend on the machine or on another setting, so that no program can print them.
const DEFAULTS_IN_WORDS: &[(&str, &str)] = &[
    ("models.dir", "`~/.cache/callwright/models`"),
    ("models.stt_parallel", "the cores, at least 2"),
    ("models.stt_threads", "2, or the cores if fewer"),
];

/// Before the table.
const INTRODUCTION: &str = include_str!("introduction.md");
/// After the table.
const PROVIDERS: &str = include_str!("providers.md");

/// One setting.
struct Setting {
    path: String,
    default: Option<Json>,
    meaning: String,
}

/// `docs/configuration.md`.
pub(crate) fn markdown() -> Result<String> {
    let mut out = String::from(INTRODUCTION);
    let mut section = None;
    for setting in settings()? {
        let (of, _) = setting.path.split_once('.').unwrap_or(("", &setting.path));
        if section.as_deref() != Some(of) {
            let title = if of.is_empty() { "The whole" } else { of };
            let _ = write!(
                out,
                "\n## {title}\n\n| Setting | Variable | Default | What |\n|---|---|---|---|\n"
            );
            section = Some(of.to_owned());
        }
        let (path, variable) = (&setting.path, environment::variable(&setting.path));
        let _ = writeln!(
            out,
            "| `{path}` | `{variable}` | {} | {} |",
            setting.shown_default(),
            setting.meaning
        );
    }
    out.push('\n');
    out.push_str(PROVIDERS);
    Ok(out)
}

impl Setting {
    fn shown_default(&self) -> String {
        if let Some((_, words)) = DEFAULTS_IN_WORDS.iter().find(|(path, _)| *path == self.path) {
            return (*words).to_owned();
        }
        match &self.default {
            None => "–".to_owned(),
            Some(Json::String(text)) if text.is_empty() => "empty".to_owned(),
            Some(Json::String(text)) => format!("`{text}`"),
            Some(other) => format!("`{other}`"),
        }
    }
}

/// All settings in the order of their paths, those of no section first.
fn settings() -> Result<Vec<Setting>> {
    let mut nested = Vec::new();
    Config::schemas(&mut nested);
    let mut schemas = BTreeMap::new();
    for (name, schema) in nested {
        schemas.insert(name, serde_json::to_value(schema)?);
    }
    let root = serde_json::to_value(Config::schema())?;
    let defaults = serde_json::to_value(Value::try_from(Config::default())?)?;
    let mut found = Vec::new();
    collect("", &root, Some(&defaults), &schemas, &mut found);
    found.sort_by(|left, right| key(&left.path).cmp(&key(&right.path)));
    Ok(found)
}

fn key(path: &str) -> (&str, &str) {
    path.split_once('.').unwrap_or(("", path))
}

fn collect(
    prefix: &str,
    schema: &Json,
    default: Option<&Json>,
    schemas: &BTreeMap<String, Json>,
    found: &mut Vec<Setting>,
) {
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let path = [prefix, name].concat();
        let default = default.and_then(|default| default.get(name));
        let whole = resolved(property, schemas);
        if whole["properties"].is_object() {
            collect(&format!("{path}."), whole, default, schemas, found);
        } else if !has_names_of_its_own(whole) {
            found.push(Setting {
                meaning: meaning(property, whole),
                default: default.cloned(),
                path,
            });
        }
    }
}

/// A table whose keys the operator chooses has no paths to list; the text after the table explains it.
fn has_names_of_its_own(schema: &Json) -> bool {
    schema["additionalProperties"].is_object()
}

fn resolved<'a>(schema: &'a Json, schemas: &'a BTreeMap<String, Json>) -> &'a Json {
    let of_option = schema["oneOf"]
        .as_array()
        .and_then(|parts| parts.iter().find(|part| part["$ref"].is_string()));
    let reference = of_option.unwrap_or(schema)["$ref"].as_str();
    reference
        .and_then(|reference| schemas.get(reference.rsplit('/').next().unwrap_or_default()))
        .unwrap_or(schema)
}

/// What the field says of itself, and the values it can have where there are few.
fn meaning(property: &Json, whole: &Json) -> String {
    let own = property["description"].as_str();
    let of_option = property["oneOf"]
        .as_array()
        .and_then(|parts| parts.iter().find_map(|part| part["description"].as_str()));
    let text = own
        .or(of_option)
        .or_else(|| whole["description"].as_str())
        .unwrap_or_default();
    let text = text
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .replace('|', "\\|");
    let values: Vec<_> = whole["enum"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Json::as_str)
        .map(|value| format!("`{value}`"))
        .collect();
    if values.is_empty() {
        text
    } else {
        format!("{text} One of {}.", values.join(", "))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn every_setting_that_a_variable_can_give_is_on_the_page_and_explained() {
        let listed = settings().unwrap();
        let paths: Vec<_> = listed.iter().map(|setting| setting.path.as_str()).collect();
        for (path, _) in environment::known_paths().unwrap() {
            assert!(paths.contains(&path.as_str()), "{path}");
        }
        for setting in &listed {
            assert!(
                setting.meaning.ends_with('.'),
                "{}: {:?}",
                setting.path,
                setting.meaning
            );
        }
    }

    #[test]
    fn every_setting_on_the_page_can_be_given_by_a_variable() {
        let known = environment::known_paths().unwrap();
        for setting in settings().unwrap() {
            assert!(known.iter().any(|(path, _)| *path == setting.path), "{}", setting.path);
        }
    }

    #[test]
    fn defaults_in_words_are_of_settings_that_exist() {
        let listed = settings().unwrap();
        for (path, _) in DEFAULTS_IN_WORDS {
            assert!(listed.iter().any(|setting| setting.path == *path), "{path}");
        }
    }

    #[test]
    fn the_page_does_not_depend_on_the_machine() {
        let page = markdown().unwrap();
        let home = environment::home().map(|home| format!("`{}", home.display()));
        assert!(home.is_none_or(|home| !page.contains(&home)), "{page}");
    }
}
