//! Writes the typed operations and the catalogue of the Rust client library, from the API document and from
//! `contract`.

use std::{collections::BTreeSet, fmt::Write as _, fs, path::Path};

use anyhow::{Context as _, Result};
use contract::{Code, Reason};
use serde_json::{Map, Value};

const HEAD: &str = "// Written by `cargo xtask gen`. Changes belong into the generator, xtask/src/sdk.rs.\n\n";

/// `sdks/rust/src/operations.rs`.
pub(crate) fn operations(root: &Path, document: &Value) -> Result<String> {
    render(document, &wire_types(root)?)
}

/// The public types of `contract`, by name.
fn wire_types(root: &Path) -> Result<BTreeSet<String>> {
    let folder = root.join("crates/contract/src");
    let mut names = BTreeSet::new();
    for text in sources(&folder)? {
        // Some are made by macros: ids by a name on a line of its own, others further in.
        let ids = text.lines().map(str::trim).filter(|line| line.ends_with("Id"));
        names.extend(ids.map(ToOwned::to_owned));
        for line in text.lines() {
            for kind in ["pub struct ", "pub enum ", "pub type "] {
                let name = line.trim_start().strip_prefix(kind).unwrap_or_default();
                names.insert(name.chars().take_while(|char| char.is_alphanumeric()).collect());
            }
        }
    }
    Ok(names)
}

/// Every source file below a folder.
fn sources(folder: &Path) -> Result<Vec<String>> {
    let mut texts = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.is_dir() {
            texts.extend(sources(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            texts.push(fs::read_to_string(&path).with_context(|| path.display().to_string())?);
        }
    }
    Ok(texts)
}

/// One endpoint, as the document tells it.
struct Operation<'a> {
    id: &'a str,
    method: &'a str,
    path: &'a str,
    spec: &'a Value,
}

fn render(document: &Value, types: &BTreeSet<String>) -> Result<String> {
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().context("a document without paths")? {
        for (method, spec) in item.as_object().into_iter().flatten() {
            let id = spec["operationId"]
                .as_str()
                .with_context(|| format!("{method} {path} has no operationId"))?;
            operations.push(Operation { id, method, path, spec });
        }
    }
    operations.sort_by_key(|operation| operation.id);
    let schemas = document["components"]["schemas"].as_object().context("no schemas")?;
    let known = Known { schemas, types };
    let (mut queries, mut methods, mut names) = (String::new(), String::new(), String::new());
    for operation in &operations {
        queries.push_str(&known.query(operation));
        methods.push_str(&known.method(operation)?);
        let Operation { id, method, path, .. } = operation;
        let method = method.to_ascii_uppercase();
        let _ = writeln!(names, "    (\"{id}\", \"{method}\", \"{path}\"),");
    }
    Ok(format!(
        "//! Every operation of the API, as a method of [`Client`], and the filters of its lists.\n\n{HEAD}\
         use std::fmt::Display;\n\nuse reqwest::Method;\n\n\
         use crate::{{Client, Download, ListRequest, Request, Watch, contract, request::{{Repeat, Spec}}}};\n\n\
         /// Name, method and path of every operation.\n#[rustfmt::skip]\npub const OPERATIONS: &[(&str, &str, &str)] = &[\n{names}];\n\n\
         {queries}impl Client {{\n{methods}}}\n"
    ))
}

/// For what has no wire type.
const ANYTHING: &str = "serde_json::Value";

struct Known<'a> {
    schemas: &'a Map<String, Value>,
    types: &'a BTreeSet<String>,
}

impl Known<'_> {
    /// A type of ours for a schema; for one without a name any JSON.
    fn rust(&self, schema: &Value) -> String {
        let reference = schema["$ref"].as_str().or_else(|| single_reference(schema));
        if let Some(name) = reference.and_then(|reference| reference.rsplit('/').next()) {
            if matches!(name, "Value" | "Object") {
                return "serde_json::Value".to_owned();
            }
            if name == "String" {
                return "String".to_owned();
            }
            if !self.types.contains(name) {
                // A type of the server's own, such as the answer to another service's webhook.
                return ANYTHING.to_owned();
            }
            return format!("contract::{name}");
        }
        match kind(schema) {
            "string" => "String".to_owned(),
            "integer" => "u64".to_owned(),
            "number" => "f64".to_owned(),
            "boolean" => "bool".to_owned(),
            "array" => format!("Vec<{}>", self.rust(&schema["items"])),
            _ => "serde_json::Value".to_owned(),
        }
    }

    /// Whether there is anything to say in a body of this schema.
    fn leaves_a_choice(&self, schema: &Value) -> bool {
        let name = schema["$ref"].as_str().and_then(|name| name.rsplit('/').next());
        let resolved = name.and_then(|name| self.schemas.get(name)).unwrap_or(schema);
        let has_fields = resolved["properties"]
            .as_object()
            .is_some_and(|fields| !fields.is_empty());
        has_fields || resolved["additionalProperties"] != false
    }

    /// What `data` of a good answer is, and whether it is a page of a list.
    fn data(&self, schema: &Value) -> (String, bool) {
        let name = schema["$ref"].as_str().and_then(|name| name.rsplit('/').next());
        let resolved = name.and_then(|name| self.schemas.get(name)).unwrap_or(schema);
        let properties = &resolved["properties"];
        let is_list = properties["pagination"].is_object();
        // Generic envelopes hold their thing written out; its name is in theirs.
        let named = name
            .and_then(|name| name.split_once("Envelope_"))
            .map(|(_, inner)| inner);
        if let Some(inner) = named.filter(|inner| self.types.contains(*inner)) {
            return (format!("contract::{inner}"), is_list);
        }
        let data = &properties["data"];
        let data = if is_list { &data["items"] } else { data };
        (self.rust(data), is_list)
    }

    fn query(&self, operation: &Operation<'_>) -> String {
        let parameters = operation.parameters("query");
        if parameters.is_empty() {
            return String::new();
        }
        let mut out = format!(
            "/// Filters of [`Client::{}`]; what is left out does not count.\n#[derive(Clone, Debug, Default, PartialEq, serde::Serialize)]\npub struct {} {{\n",
            operation.id,
            operation.query_type()
        );
        for parameter in parameters {
            let name = parameter["name"].as_str().unwrap_or_default();
            let said = doc("    ", parameter["description"].as_str().unwrap_or(name));
            let rust = self.rust(&parameter["schema"]);
            let _ = write!(
                out,
                "{said}    #[serde(skip_serializing_if = \"Option::is_none\")]\n    pub {}: Option<{rust}>,\n",
                field(name)
            );
        }
        out.push_str("}\n\n");
        out
    }

    fn method(&self, operation: &Operation<'_>) -> Result<String> {
        let Operation { id, method, path, spec } = operation;
        let mut arguments: Vec<_> = operation
            .path_names()
            .map(|name| format!("{}: impl Display", field(name)))
            .collect();
        let mut chain = String::new();
        if !operation.parameters("query").is_empty() {
            arguments.push(format!("query: &{}", operation.query_type()));
            chain.push_str(".query(query)");
        }
        if let Some(body) = operation.body().filter(|body| self.leaves_a_choice(body)) {
            arguments.push(format!("body: &{}", self.rust(body)));
            chain.push_str(".body(body)");
        }
        let arguments: String = arguments
            .iter()
            .flat_map(|argument| [", ", argument.as_str()])
            .collect();
        let names: Vec<_> = operation.path_names().map(|name| format!("&{}", field(name))).collect();
        let answer = self.answer(operation)?;
        let wrapper = answer.split('<').next().unwrap_or_default();
        let verb = method.to_ascii_uppercase();
        let mut out = doc("    ", spec["summary"].as_str().unwrap_or(id));
        for part in [spec["description"].as_str(), Some(&operation.footnote())]
            .into_iter()
            .flatten()
        {
            if !part.is_empty() {
                out.push_str("    ///\n");
                out.push_str(&doc("    ", part));
            }
        }
        let _ = write!(
            out,
            "    pub fn {id}(&self{arguments}) -> {answer} {{\n        let spec = Spec::new(\"{id}\", Method::{verb}, \"{path}\", &[{}], Repeat::{}){chain};\n        {wrapper}::new(self, spec)\n    }}\n\n",
            names.join(", "),
            operation.repeat()
        );
        Ok(out)
    }

    fn answer(&self, operation: &Operation<'_>) -> Result<String> {
        let responses = operation.spec["responses"].as_object().context("no responses")?;
        let good = responses
            .iter()
            .find(|(status, _)| status.starts_with('2'))
            .map(|(_, good)| good);
        let Some((media_type, content)) = good
            .and_then(|good| good["content"].as_object())
            .and_then(|content| content.iter().next())
        else {
            return Ok("Request<()>".to_owned());
        };
        match media_type.as_str() {
            "application/json" => {
                let (data, is_list) = self.data(&content["schema"]);
                Ok(format!("{}<{data}>", if is_list { "ListRequest" } else { "Request" }))
            }
            "text/event-stream" => Ok(format!("Watch<{}>", self.rust(&content["schema"]))),
            _ => Ok("Download".to_owned()),
        }
    }
}

impl<'a> Operation<'a> {
    fn parameters(&self, place: &str) -> Vec<&'a Value> {
        let all = self.spec["parameters"].as_array().into_iter().flatten();
        all.filter(|parameter| parameter["in"] == place).collect()
    }

    fn path_names(&self) -> impl Iterator<Item = &'a str> {
        let segments = self.path.split('/');
        segments.filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'))
    }

    fn body(&self) -> Option<&'a Value> {
        let content = self.spec["requestBody"]["content"].as_object()?;
        content.get("application/json").map(|content| &content["schema"])
    }

    /// `call_list` as `CallListQuery`.
    fn query_type(&self) -> String {
        let words = self.id.split('_');
        let words: String = words.map(|word| word[..1].to_ascii_uppercase() + &word[1..]).collect();
        words + "Query"
    }

    /// Whether a request whose fate is not known may be sent again.
    fn repeat(&self) -> &'static str {
        let mut headers = self.parameters("header").into_iter();
        let takes_key = headers.any(|header| {
            header["name"]
                .as_str()
                .is_some_and(|name| name.eq_ignore_ascii_case("idempotency-key"))
        });
        match self.method {
            // A PUT sent twice may overwrite what somebody else wrote in between.
            "get" | "head" | "delete" => "Always",
            _ if takes_key => "WithKey",
            _ => "OnlyIfUntouched",
        }
    }

    fn footnote(&self) -> String {
        let scope = self.spec["x-required-scope"].as_str();
        let scope = scope
            .map(|scope| format!(", needs the scope `{scope}`"))
            .unwrap_or_default();
        let bills = if self.spec["x-billable"] == true {
            ", billable"
        } else {
            ""
        };
        format!("`{} {}`{scope}{bills}.", self.method.to_ascii_uppercase(), self.path)
    }
}

/// The one reference of `anyOf` or `oneOf`, beside `null`.
fn single_reference(schema: &Value) -> Option<&str> {
    let variants = schema["oneOf"].as_array().or_else(|| schema["anyOf"].as_array())?;
    let mut references = variants.iter().filter_map(|variant| variant["$ref"].as_str());
    let first = references.next();
    first.filter(|_| references.next().is_none())
}

fn kind(schema: &Value) -> &str {
    let types = &schema["type"];
    let several = types.as_array().into_iter().flatten().filter_map(Value::as_str);
    types
        .as_str()
        .or_else(|| several.into_iter().find(|kind| *kind != "null"))
        .unwrap_or_default()
}

fn field(name: &str) -> String {
    match name {
        "type" | "ref" | "match" | "in" | "for" | "move" => format!("r#{name}"),
        _ => name.replace('-', "_").to_ascii_lowercase(),
    }
}

fn doc(indent: &str, text: &str) -> String {
    let lines = text
        .trim()
        .lines()
        .map(|line| format!("{indent}/// {}", line.trim()).trim_end().to_owned() + "\n");
    lines.collect()
}

/// `sdks/rust/src/catalogue.rs`: codes and reasons, each with a place for those of tomorrow.
pub(crate) fn catalogue() -> String {
    let codes: Vec<_> = Code::ALL
        .iter()
        .map(|code| (format!("{code:?}"), code.name(), first_line(code.page())))
        .collect();
    let reasons: Vec<_> = Reason::ALL
        .iter()
        .map(|reason| {
            (
                format!("{reason:?}"),
                reason.name(),
                contract::docs::summary(*reason).to_owned(),
            )
        })
        .collect();
    let mut out = format!("//! Codes and reasons of the error contract.\n\n{HEAD}");
    out.push_str("use std::fmt;\n\n");
    out.push_str(&enumeration(
        "Code",
        "The code of an error, one for each status.",
        &codes,
    ));
    out.push_str("impl Code {\n    /// The code of this name; [`Self::Unknown`] for one that this version of the library does not know.\n    pub fn named(name: &str) -> Self {\n        match name {\n");
    for (variant, name, _) in &codes {
        let _ = writeln!(out, "            \"{name}\" => Self::{variant},");
    }
    out.push_str("            other => Self::Unknown(other.to_owned()),\n        }\n    }\n}\n\n");
    out.push_str(&enumeration("Reason", "What exactly went wrong.", &reasons));
    out.push_str("impl Reason {\n    /// The reason of this name under this code, as one name may stand under two.\n    pub fn named(code: &str, name: &str) -> Self {\n        match (code, name) {\n");
    for reason in Reason::ALL {
        let _ = writeln!(
            out,
            "            (\"{}\", \"{}\") => Self::{reason:?},",
            reason.code().name(),
            reason.name()
        );
    }
    out.push_str("            (_, other) => Self::Unknown(other.to_owned()),\n        }\n    }\n}\n");
    out
}

fn enumeration(name: &str, what: &str, variants: &[(String, &str, String)]) -> String {
    let mut out =
        format!("/// {what}\n#[derive(Clone, Debug, PartialEq, Eq, Hash)]\n#[non_exhaustive]\npub enum {name} {{\n");
    for (variant, _, said) in variants {
        let _ = writeln!(out, "    /// {said}\n    {variant},");
    }
    let _ = write!(
        out,
        "    /// One that a newer server has, as it was written.\n    Unknown(String),\n}}\n\nimpl {name} {{\n    /// As it stands in an answer.\n    pub fn name(&self) -> &str {{\n        match self {{\n"
    );
    let mut by_name = Vec::<(&str, Vec<String>)>::new();
    for (variant, text, _) in variants {
        let variant = format!("Self::{variant}");
        match by_name.iter_mut().find(|(known, _)| known == text) {
            Some((_, same)) => same.push(variant),
            None => by_name.push((text, vec![variant])),
        }
    }
    for (text, same) in by_name {
        let _ = writeln!(out, "            {} => \"{text}\",", same.join(" | "));
    }
    let _ = write!(
        out,
        "            Self::Unknown(name) => name,\n        }}\n    }}\n}}\n\nimpl fmt::Display for {name} {{\n    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {{\n        f.write_str(self.name())\n    }}\n}}\n\n"
    );
    out
}

/// The first line under `## What happened`.
fn first_line(page: &str) -> String {
    let text = page.split_once("## What happened\n\n").map_or("", |(_, text)| text);
    text.lines().next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn document(operation: &Value) -> Value {
        json!({
            "paths": { "/things/{id}": { "post": operation } },
            "components": { "schemas": {
                "Envelope_Thing": { "properties": { "data": { "$ref": "#/components/schemas/Thing" }, "meta": {} } },
                "ListEnvelope_Thing": { "properties": {
                    "data": { "type": "array", "items": { "$ref": "#/components/schemas/Thing" } },
                    "pagination": { "type": "object" },
                } },
            } },
        })
    }

    fn answer(schema: &str) -> Value {
        json!({ "200": { "content": { "application/json": { "schema": { "$ref": format!("#/components/schemas/{schema}") } } } } })
    }

    fn types() -> BTreeSet<String> {
        ["Thing", "ThingStatus"].map(str::to_owned).into()
    }

    #[test]
    fn a_method_takes_ids_filters_and_a_body_and_answers_with_its_type() {
        let written = render(
            &document(&json!({
                "operationId": "thing_change",
                "summary": "Change a thing",
                "parameters": [
                    { "name": "id", "in": "path" },
                    { "name": "status", "in": "query", "schema": { "oneOf": [{ "type": "null" }, { "$ref": "#/components/schemas/ThingStatus" }] } },
                    { "name": "Idempotency-Key", "in": "header" },
                ],
                "requestBody": { "required": true, "content": { "application/json": { "schema": { "$ref": "#/components/schemas/Thing" } } } },
                "responses": answer("Envelope_Thing"),
            })),
            &types(),
        )
        .unwrap_or_default();
        assert!(
            written.contains("pub fn thing_change(&self, id: impl Display, query: &ThingChangeQuery, body: &contract::Thing) -> Request<contract::Thing>"),
            "{written}"
        );
        assert!(
            written.contains("\"/things/{id}\", &[&id], Repeat::WithKey).query(query).body(body)"),
            "{written}"
        );
        assert!(
            written.contains("pub status: Option<contract::ThingStatus>"),
            "{written}"
        );
    }

    #[test]
    fn a_body_that_may_be_left_out_is_asked_for_where_it_leaves_a_choice() {
        let written = |schema: Value| {
            let content = json!({ "application/json": { "schema": schema } });
            let spec = json!({ "operationId": "thing_poke", "requestBody": { "content": content }, "responses": {} });
            render(&document(&spec), &types()).unwrap_or_default()
        };
        let choice = written(json!({ "$ref": "#/components/schemas/Thing" }));
        assert!(choice.contains("body: &contract::Thing"), "{choice}");
        let none = written(json!({ "type": "object", "additionalProperties": false }));
        assert!(!none.contains("body"), "{none}");
    }

    #[test]
    fn a_page_of_a_list_is_a_list_request() {
        let written = render(
            &document(&json!({ "operationId": "thing_list", "responses": answer("ListEnvelope_Thing") })),
            &types(),
        );
        assert!(written.unwrap_or_default().contains("-> ListRequest<contract::Thing>"));
    }

    #[test]
    fn a_type_that_the_contract_does_not_have_is_any_json() {
        let spec = json!({ "operationId": "thing_fetch", "responses": answer("Envelope_Thing") });
        let written = render(&document(&spec), &BTreeSet::new()).unwrap_or_default();
        assert!(written.contains("-> Request<serde_json::Value>"), "{written}");
    }

    #[test]
    fn a_post_without_a_key_is_sent_again_only_if_it_did_nothing() {
        let written = render(
            &document(&json!({ "operationId": "thing_poke", "responses": {} })),
            &types(),
        )
        .unwrap_or_default();
        assert!(written.contains("Repeat::OnlyIfUntouched"), "{written}");
    }
}
