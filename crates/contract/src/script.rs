//! The script of `builtin/guide`: what an agent's owner wrote for it to say.

use serde::{Deserialize, Serialize};

/// All that the guide knows. It answers from this and invents nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Script {
    /// What callers ask, and what to say.
    #[serde(default)]
    #[schema(max_items = 200)]
    pub answers: Vec<ScriptAnswer>,
    /// What to ask callers for. Filled when an answer or action names them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 50)]
    pub slots: Vec<ScriptSlot>,
    /// What callers want done.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 50)]
    pub actions: Vec<ScriptAction>,
    /// For words that match nothing.
    #[serde(default)]
    pub fallback: ScriptFallback,
}

/// What callers ask, and what to say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ScriptAnswer {
    /// Ways callers may put it. Meaning counts, not the exact words.
    #[schema(min_items = 1, max_items = 50)]
    pub examples: Vec<String>,
    /// What to say. Takes `{{variables}}` and the names of filled slots.
    #[schema(min_length = 1, max_length = 2000)]
    pub answer: String,
    /// How to name this when asking back: "Do you mean …?". The first example when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 255)]
    pub title: Option<String>,
    /// Slots to fill before the answer is said.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 20)]
    pub slots: Vec<String>,
}

/// Something the guide asks a caller for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ScriptSlot {
    /// How answers refer to it: `{{name}}`.
    #[schema(min_length = 1, max_length = 64, pattern = "^[a-z][a-z0-9_]*$")]
    pub name: String,
    /// What kind of value it takes.
    #[serde(rename = "type")]
    pub slot_type: SlotType,
    /// How to ask for it.
    #[schema(min_length = 1, max_length = 1000)]
    pub prompt: String,
    /// Said instead of `prompt` when the first try was not understood.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 1000)]
    pub reprompt: Option<String>,
    /// Asked to be sure, e.g. `Your number is {{order_number}}, right?`. Not asked when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 1000)]
    pub confirmation: Option<String>,
}

/// What kind of value a slot takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SlotType {
    /// Digits or number words.
    Number,
    /// Yes or no.
    YesNo,
    /// A calendar date, relative ones included.
    Date,
    /// A time of day.
    Time,
    /// A phone number.
    Phone,
    /// A person's name.
    Name,
    /// Any words.
    FreeText,
}

/// Something callers want done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ScriptAction {
    /// Ways callers may put it.
    #[schema(min_items = 1, max_items = 50)]
    pub examples: Vec<String>,
    /// What is done.
    pub action: ActionKind,
    /// Said before it is done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 2000)]
    pub say: Option<String>,
    /// How to name this when asking back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 255)]
    pub title: Option<String>,
    /// Slots to fill before it is done.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 20)]
    pub slots: Vec<String>,
}

/// What the guide can do besides speaking.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ActionKind {
    /// Ends the call.
    EndCall,
}

/// For words that match nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ScriptFallback {
    /// What to say.
    #[schema(min_length = 1, max_length = 2000)]
    pub message: String,
    /// Fallbacks in a row before `then` happens.
    #[schema(minimum = 1, maximum = 10)]
    pub attempts: u8,
    /// What happens after that many.
    pub then: AfterFallback,
    /// Said before `then` ends the call.
    #[schema(min_length = 1, max_length = 2000)]
    pub goodbye: String,
}

impl Default for ScriptFallback {
    fn default() -> Self {
        Self {
            message: "I'm sorry, I don't know that. Is there anything else I can help you with?".to_owned(),
            attempts: 3,
            then: AfterFallback::Continue,
            goodbye: "I'm sorry that I couldn't help. Goodbye.".to_owned(),
        }
    }
}

/// What happens when fallbacks run out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AfterFallback {
    /// Keep trying.
    #[default]
    Continue,
    /// Say goodbye and end the call.
    EndCall,
}
