//! Checks JSON against the schema that the API document shows for a type, and tells ALL faults at once.
//!
//! The only file that touches the `jsonschema` crate.

mod mend;

use std::{
    any::TypeId,
    borrow::Cow,
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
};

use contract::{FieldFault, FieldReason as R, escaped};
use domain::quick::QuickMap;
use jsonschema::{
    ValidationError, Validator,
    error::{TypeKind, ValidationErrorKind as K},
    types::JsonType,
};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use crate::formats;

/// Likeness (Jaro-Winkler) from which a name is worth suggesting.
const LIKENESS_MIN: f64 = 0.8;

/// Unknown fields told of one object.
const UNKNOWN_MAX: usize = 100;

/// Longest name, in bytes, that is compared with the known ones.
const COMPARED_BYTES_MAX: usize = 64;

/// Faults looked for; an answer tells fewer.
const FAULTS_MAX: usize = 1000;

/// Room for the faults of most values that have any.
const FAULTS: usize = 8;

/// A type's schema, compiled once.
pub(crate) struct Shape {
    validator: Validator,
    document: Value,
    /// What stands in for a field that must be there.
    samples: Map<String, Value>,
}

/// Where the faults of a value are shown to lie.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Body,
    Query,
}

impl Shape {
    /// The shape of `T`, built at its first use.
    pub(crate) fn of<T: ToSchema + 'static>() -> Arc<Self> {
        static SHAPES: Mutex<Option<QuickMap<TypeId, Arc<Shape>>>> = Mutex::new(None);
        let mut shapes = SHAPES.lock().unwrap_or_else(PoisonError::into_inner);
        let shapes = shapes.get_or_insert_default();
        Arc::clone(
            shapes
                .entry(TypeId::of::<T>())
                .or_insert_with(|| Arc::new(Self::build::<T>())),
        )
    }

    fn build<T: ToSchema>() -> Self {
        let mut schemas = Vec::new();
        T::schemas(&mut schemas);
        let components: HashMap<_, _> = schemas.into_iter().collect();
        let mut document = serde_json::to_value(T::schema()).unwrap_or_default();
        document["components"] = json!({ "schemas": components });
        let options = formats::ALL
            .iter()
            .fold(jsonschema::options(), |options, (name, _, check)| {
                options.with_format(*name, *check)
            });
        let validator = options.should_validate_formats(true).build(&document);
        // Each schema comes from our own types and is compiled by a test; none depends on input.
        let validator = validator.unwrap_or_else(|error| unreachable!("the schema of {}: {error}", T::name()));
        let shape = Self {
            validator,
            document,
            samples: Map::new(),
        };
        let samples = shape.samples();
        Self { samples, ..shape }
    }

    /// The type that the schema gives to a top-level property.
    pub(crate) fn type_of(&self, property: &str) -> Option<&str> {
        let schema = &self.document["properties"][property];
        match &schema["type"] {
            Value::String(name) => Some(name),
            Value::Array(names) => names.iter().filter_map(Value::as_str).find(|name| *name != "null"),
            _ => None,
        }
    }

    /// Every fault of `value`, by pointer; past a thousand nobody counts.
    pub(crate) fn faults(&self, value: &Value) -> Vec<FieldFault> {
        let mut faults = Vec::with_capacity(FAULTS);
        for error in self.validator.iter_errors(value) {
            self.tell(&error, value, &mut faults);
            if faults.len() >= FAULTS_MAX {
                break;
            }
        }
        faults.sort_by(|a, b| (&a.pointer, a.reason).cmp(&(&b.pointer, b.reason)));
        // Of a value of the wrong type nothing else is worth saying.
        let mistyped = |fault: &FieldFault| fault.reason == R::WrongType;
        if faults.iter().any(mistyped) {
            let of_type = faults.iter().filter(|fault| mistyped(fault));
            let pointers: HashSet<_> = of_type.map(|fault| fault.pointer.clone()).collect();
            faults.retain(|fault| mistyped(fault) || !pointers.contains(&fault.pointer));
        }
        faults.dedup_by(|a, b| a.pointer == b.pointer && a.reason == b.reason);
        faults
    }

    fn tell(&self, error: &ValidationError<'_>, value: &Value, faults: &mut Vec<FieldFault>) {
        if faults.len() >= FAULTS_MAX {
            return;
        }
        let at = error.instance_path().as_str();
        match error.kind() {
            K::Required { property } => {
                let name = property.as_str().unwrap_or_default();
                faults.push(fault(below(at, name), R::Required, "This field is required."));
            }
            K::AdditionalProperties { unexpected } | K::UnevaluatedProperties { unexpected } => {
                let known = self.siblings(error);
                for name in unexpected.iter().take(UNKNOWN_MAX) {
                    faults.push(unknown(below(at, name), name, &known));
                }
            }
            K::OneOfNotValid { context } | K::AnyOf { context } => self.tell_branches(context, error, value, faults),
            // An object that may have no fields at all; the error itself holds only the first field's value.
            K::FalseSchema if value.pointer(at).is_some_and(Value::is_object) => {
                let given = value.pointer(at).and_then(Value::as_object).into_iter().flatten();
                faults.extend(
                    given
                        .take(UNKNOWN_MAX)
                        .map(|(name, _)| unknown(below(at, name), name, &[])),
                );
            }
            kind => faults.push(simple(at, kind, error.instance())),
        }
    }

    /// Of alternatives the one that was meant: not `null`, and of the value's own type.
    fn tell_branches(
        &self,
        context: &[Vec<ValidationError<'static>>],
        error: &ValidationError<'_>,
        value: &Value,
        faults: &mut Vec<FieldFault>,
    ) {
        let at = error.instance_path().as_str();
        let is_of_other_type = |branch: &&Vec<ValidationError<'static>>| {
            branch
                .iter()
                .any(|inner| inner.instance_path().as_str() == at && matches!(inner.kind(), K::Type { .. }))
        };
        let meant: Vec<_> = context.iter().filter(|branch| !is_of_other_type(branch)).collect();
        match meant.as_slice() {
            [branch] => branch.iter().for_each(|inner| self.tell(inner, value, faults)),
            [] => {
                let expected = context
                    .iter()
                    .flatten()
                    .filter(|inner| inner.instance_path().as_str() == at);
                let expected: Vec<_> = expected.flat_map(|inner| expected_types(inner.kind())).collect();
                faults.push(wrong_type(at, expected));
            }
            _ => faults.push(fault(at, R::NotAllowedValue, "This is none of the allowed forms.")),
        }
    }

    /// Names that the object at fault may have, found through the path of the rule that refused it.
    fn siblings(&self, error: &ValidationError<'_>) -> Vec<String> {
        let path = error.schema_path().as_str();
        let path = path.rsplit_once('/').map_or("", |(parent, _)| parent);
        let mut schema = self.document.pointer(path);
        while let Some(reference) = schema.and_then(|schema| schema["$ref"].as_str()) {
            schema = self.document.pointer(reference.trim_start_matches('#'));
        }
        let properties = schema.and_then(|schema| schema["properties"].as_object());
        properties
            .map(|properties| properties.keys().cloned().collect())
            .unwrap_or_default()
    }
}

/// All that is wrong with a value.
pub(crate) struct Faults {
    pub(crate) all: Vec<FieldFault>,
    /// Whether the schema alone found them, which says the same of the same value at any time. What rules find may
    /// follow from the hour or the configuration.
    pub(crate) of_schema_alone: bool,
}

/// `value` as a `T`, or every fault that it has: those of form and those that `rules` finds in what can be read.
pub(crate) fn read<T: ToSchema + DeserializeOwned + 'static>(
    value: Value,
    mut faults: Vec<FieldFault>,
    place: Place,
    rules: impl FnOnce(&T) -> Vec<FieldFault>,
) -> Result<T, Faults> {
    if crate::json::is_cut(&faults) {
        return Err(Faults {
            all: faults,
            of_schema_alone: true,
        });
    }
    let shape = Shape::of::<T>();
    let of_shape = shape.faults(&value);
    if faults.is_empty() {
        faults = of_shape;
    } else {
        faults.extend(of_shape);
    }
    let mut broken = Vec::new();
    if faults.is_empty() {
        match serde_path_to_error::deserialize(value) {
            Ok(read) => {
                broken = rules(&read);
                if broken.is_empty() {
                    return Ok(read);
                }
            }
            Err(error) => faults.push(from_serde(&error)),
        }
    } else {
        let read = serde_json::from_value(shape.mended(value, &faults));
        broken = read.map(|read| rules(&read)).unwrap_or_default();
        broken.retain(|fault| !is_told(&faults, &fault.pointer));
    }
    let of_schema_alone = broken.is_empty();
    faults.extend(broken);
    let all = match place {
        Place::Body => faults,
        Place::Query => faults.into_iter().map(in_query).collect(),
    };
    Err(Faults { all, of_schema_alone })
}

/// Whether something is told already of the value at `pointer`, or of one round it.
fn is_told(faults: &[FieldFault], pointer: &str) -> bool {
    let is_within = |fault: &FieldFault| {
        let rest = pointer.strip_prefix(&*fault.pointer);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    faults.iter().any(is_within)
}

/// What the schema can't state but the type can: an integer written `5.0`, a number too large for its type.
fn from_serde(error: &serde_path_to_error::Error<serde_json::Error>) -> FieldFault {
    use serde_path_to_error::Segment as S;
    let pointer = error
        .path()
        .iter()
        .fold(String::new(), |pointer, segment| match segment {
            S::Seq { index } => format!("{pointer}/{index}"),
            S::Map { key } => below(&pointer, key),
            S::Enum { variant } => below(&pointer, variant),
            S::Unknown => pointer,
        });
    fault(
        pointer,
        R::WrongType,
        "This value can't be read as what the field holds.",
    )
}

fn in_query(fault: FieldFault) -> FieldFault {
    let name = fault.field;
    FieldFault {
        pointer: format!("?{name}"),
        field: name,
        ..fault
    }
}

fn fault(pointer: impl Into<String>, reason: R, message: impl Into<Cow<'static, str>>) -> FieldFault {
    FieldFault::in_body(pointer, reason, message)
}

fn below(pointer: &str, name: &str) -> String {
    [pointer, "/", &escaped(name)].concat()
}

fn unknown(pointer: String, name: &str, known: &[String]) -> FieldFault {
    let likeness = |candidate: &&String| strsim::jaro_winkler(name, candidate);
    let known = if name.len() <= COMPARED_BYTES_MAX { known } else { &[] };
    let near = known.iter().filter(|candidate| likeness(candidate) >= LIKENESS_MIN);
    let near = near.max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
    match near {
        Some(near) => fault(
            pointer,
            R::UnknownField,
            format!("There is no such field. Did you mean {near}?"),
        )
        .with("did_you_mean", near.clone()),
        None => fault(pointer, R::UnknownField, "There is no such field."),
    }
}

fn wrong_type(pointer: &str, expected: Vec<String>) -> FieldFault {
    let expected: Vec<_> = expected.into_iter().filter(|name| name != "null").collect();
    let message = format!("This must be of type {}.", expected.join(" or "));
    fault(pointer, R::WrongType, message).with("expected", expected)
}

fn expected_types(kind: &K) -> Vec<String> {
    match kind {
        K::Type {
            kind: TypeKind::Single(one),
        } => vec![one.to_string()],
        K::Type {
            kind: TypeKind::Multiple(set),
        } => set.iter().map(|one: JsonType| one.to_string()).collect(),
        K::Enum { .. } => vec!["string".to_owned()],
        _ => Vec::new(),
    }
}

/// Faults that concern one value and nothing round it.
fn simple(at: &str, kind: &K, instance: &Value) -> FieldFault {
    match kind {
        K::Type { .. } => wrong_type(at, expected_types(kind)),
        K::MinLength { limit } | K::MinItems { limit } | K::MinProperties { limit } => {
            fault(at, R::TooShort, counted("This needs at least ", *limit, instance)).with("min", *limit)
        }
        K::MaxLength { limit } | K::MaxItems { limit } | K::MaxProperties { limit } => {
            fault(at, R::TooLong, counted("This may have at most ", *limit, instance)).with("max", *limit)
        }
        K::Minimum { limit } | K::ExclusiveMinimum { limit } => fault(
            at,
            R::OutOfRange,
            ["This must be at least ", &plain(limit), "."].concat(),
        )
        .with("min", limit.clone()),
        K::Maximum { limit } | K::ExclusiveMaximum { limit } => fault(
            at,
            R::OutOfRange,
            ["This must be at most ", &plain(limit), "."].concat(),
        )
        .with("max", limit.clone()),
        K::MultipleOf { .. } => fault(at, R::OutOfRange, "This is not one of the steps allowed."),
        K::Enum { options } => not_allowed(at, options, instance),
        K::Format { format } => fault(at, R::InvalidFormat, formats::sentence(format)).with("format", format.clone()),
        K::Pattern { pattern } => {
            fault(at, R::InvalidFormat, format!("This must match {pattern}.")).with("pattern", pattern.clone())
        }
        K::UniqueItems => fault(at, R::Duplicate, "An item stands here twice."),
        K::OneOfMultipleValid { .. } | K::Not { .. } => fault(at, R::ConflictsWith, "These do not go together."),
        _ => fault(at, R::NotAllowedValue, "This value is not allowed here."),
    }
}

/// A number as people write it: JSON's writer makes `1e-6` of a millionth.
fn plain(limit: &Value) -> String {
    if let Some(whole) = limit.as_u64() {
        return itoa::Buffer::new().format(whole).to_owned();
    }
    let fraction = limit.as_f64().filter(|_| limit.is_f64());
    fraction.map_or_else(|| limit.to_string(), |fraction| fraction.to_string())
}

fn not_allowed(at: &str, options: &Value, instance: &Value) -> FieldFault {
    let allowed: Vec<Value> = options.as_array().cloned().unwrap_or_default();
    let names: Vec<_> = allowed.iter().filter_map(Value::as_str).collect();
    let mut fault = fault(
        at,
        R::NotAllowedValue,
        format!("This must be one of {}.", names.join(", ")),
    );
    if let Some(given) = instance.as_str().filter(|given| given.len() <= COMPARED_BYTES_MAX) {
        let near = names
            .iter()
            .find(|name| strsim::jaro_winkler(given, name) >= LIKENESS_MIN);
        fault = near
            .into_iter()
            .fold(fault, |fault, near| fault.with("did_you_mean", *near));
    }
    fault.with("allowed", allowed)
}

/// A bound of a length, in the unit of what has it. A format would cost several times as much, and most bodies that are
/// refused have some of these.
fn counted(words: &str, limit: u64, instance: &Value) -> String {
    [words, itoa::Buffer::new().format(limit), " ", unit(instance), "."].concat()
}

fn unit(instance: &Value) -> &'static str {
    match instance {
        Value::Array(_) => "items",
        Value::Object(_) => "keys",
        _ => "characters",
    }
}

#[cfg(test)]
mod tests;
