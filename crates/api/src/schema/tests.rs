#![expect(clippy::unwrap_used, reason = "tests")]

use contract::{
    AgentCreate, AgentUpdate, ApiKeyCreate, CallCreate, CreditsGrant, NumberAssign, NumberImport, NumberUnassign,
    TrunkCreate, TrunkUpdate,
};

use super::*;

fn told<T: ToSchema + DeserializeOwned + 'static>(value: Value) -> Vec<(String, R)> {
    match read::<T>(value, Vec::new(), Place::Body, |_| Vec::new()) {
        Ok(_) => Vec::new(),
        Err(faults) => faults
            .all
            .into_iter()
            .map(|fault| (fault.pointer, fault.reason))
            .collect(),
    }
}

fn agent(change: &Value) -> Value {
    let mut agent = json!({ "name": "Ada", "voice_id": "v", "system_prompt": "Be kind." });
    agent
        .as_object_mut()
        .unwrap()
        .extend(change.as_object().unwrap().clone());
    agent
}

#[test]
fn each_request_type_has_a_schema_that_compiles() {
    Shape::of::<AgentCreate>();
    Shape::of::<AgentUpdate>();
    Shape::of::<ApiKeyCreate>();
    Shape::of::<CallCreate>();
    Shape::of::<NumberAssign>();
    Shape::of::<NumberImport>();
    Shape::of::<NumberUnassign>();
    Shape::of::<TrunkCreate>();
    Shape::of::<TrunkUpdate>();
}

#[test]
fn all_faults_are_told_at_once_with_pointers() {
    let value = json!({ "name": "", "temperature": 3, "languge_hint": "en", "script": { "answers": [{ "examples": [], "answer": 5 }] } });
    assert_eq!(
        told::<AgentCreate>(value),
        [
            ("/languge_hint".to_owned(), R::UnknownField),
            ("/name".to_owned(), R::TooShort),
            ("/script/answers/0/answer".to_owned(), R::WrongType),
            ("/script/answers/0/examples".to_owned(), R::TooShort),
            ("/system_prompt".to_owned(), R::Required),
            ("/temperature".to_owned(), R::OutOfRange),
            ("/voice_id".to_owned(), R::Required),
        ]
    );
}

#[test]
fn one_fault_in_a_field_is_told_as_that_one_fault() {
    for (change, pointer, reason) in [
        (json!({ "name": 5 }), "/name", R::WrongType),
        (json!({ "name": null }), "/name", R::WrongType),
        (json!({ "name": "x".repeat(256) }), "/name", R::TooLong),
        (json!({ "status": "activ" }), "/status", R::NotAllowedValue),
        (json!({ "max_duration": "soon" }), "/max_duration", R::InvalidFormat),
        (json!({ "max_duration": 30 }), "/max_duration", R::WrongType),
        (
            json!({ "language_hint": "english!" }),
            "/language_hint",
            R::InvalidFormat,
        ),
        (json!({ "language_hint": 5 }), "/language_hint", R::WrongType),
        (json!({ "greeting": { "text": "" } }), "/greeting/text", R::TooShort),
        (json!({ "greeting": { "txt": "hi" } }), "/greeting/txt", R::UnknownField),
        (json!({ "greeting": "hi" }), "/greeting", R::WrongType),
        (
            json!({ "interruption": { "min_words": 11 } }),
            "/interruption/min_words",
            R::OutOfRange,
        ),
        (
            json!({ "interruption": { "min_words": 5.5 } }),
            "/interruption/min_words",
            R::WrongType,
        ),
        (
            json!({ "turn": { "endpointing": "guess" } }),
            "/turn/endpointing",
            R::NotAllowedValue,
        ),
        (
            json!({ "inactivity_messages": [{ "after": "5s" }] }),
            "/inactivity_messages/0/message",
            R::Required,
        ),
    ] {
        assert_eq!(
            told::<AgentCreate>(agent(&change)),
            [(pointer.to_owned(), reason)],
            "{change}"
        );
    }
}

#[test]
fn limits_are_told_without_exponents() {
    for (credits, said) in [
        (json!(0), "This must be at least 0.000001."),
        (json!(2e9), "This must be at most 1000000000."),
    ] {
        let faults = Shape::of::<CreditsGrant>().faults(&json!({ "credits": credits }));
        let messages: Vec<_> = faults.iter().map(|fault| &*fault.message).collect();
        assert_eq!(messages, [said]);
    }
}

#[test]
fn null_clears_what_may_be_cleared_and_only_that() {
    assert_eq!(
        told::<AgentUpdate>(json!({ "description": null, "greeting": null, "script": null })),
        []
    );
    for field in [
        "name",
        "status",
        "temperature",
        "max_duration",
        "turn",
        "interruption",
        "inactivity_messages",
    ] {
        assert_eq!(
            told::<AgentUpdate>(json!({ field: null })),
            [(format!("/{field}"), R::WrongType)]
        );
    }
}

#[test]
fn an_update_is_checked_like_a_creation() {
    for (change, pointer, reason) in [
        (json!({ "greeting": { "text": 5 } }), "/greeting/text", R::WrongType),
        (
            json!({ "script": { "fallback": { "attempts": 0 } } }),
            "/script/fallback/attempts",
            R::OutOfRange,
        ),
        (json!({ "status": "sleeping" }), "/status", R::NotAllowedValue),
        (json!({ "turn": { "eagr": true } }), "/turn/eagr", R::UnknownField),
    ] {
        assert_eq!(
            told::<AgentUpdate>(change.clone()),
            [(pointer.to_owned(), reason)],
            "{change}"
        );
    }
}

#[test]
fn unknown_fields_come_with_the_nearest_name() {
    let value = agent(&json!({ "greting": {}, "zzz": 1, "turn": { "endpoint": "smart" } }));
    let faults = read::<AgentCreate>(value, Vec::new(), Place::Body, |_| Vec::new()).unwrap_err();
    let meant: Vec<_> = faults
        .all
        .iter()
        .map(|fault| fault.params.get("did_you_mean").and_then(Value::as_str))
        .collect();
    assert_eq!(meant, [Some("greeting"), Some("endpointing"), None]);
}

#[test]
fn values_outside_a_set_come_with_the_set() {
    let faults = read::<AgentCreate>(
        agent(&json!({ "first_speaker": "nobody" })),
        Vec::new(),
        Place::Body,
        |_| Vec::new(),
    )
    .unwrap_err();
    assert_eq!(faults.all[0].params["allowed"], json!(["agent", "user"]));
}

#[test]
fn formats_of_calls_and_trunks_are_checked() {
    for (change, pointer) in [
        (json!({ "phone_number": "0123" }), "/phone_number"),
        (json!({ "sip_uri": "http://example.com" }), "/sip_uri"),
        (json!({ "from_number": "+1" }), "/from_number"),
    ] {
        let mut call = json!({ "agent_id": "a" });
        call.as_object_mut()
            .unwrap()
            .extend(change.as_object().unwrap().clone());
        assert_eq!(told::<CallCreate>(call), [(pointer.to_owned(), R::InvalidFormat)]);
    }
    let variables = json!({ "agent_id": "a", "variables": { "name": 5 } });
    assert_eq!(
        told::<CallCreate>(variables),
        [("/variables/name".to_owned(), R::WrongType)]
    );
    let port = json!({ "name": "t", "host": "h", "port": 70000 });
    assert_eq!(told::<TrunkCreate>(port), [("/port".to_owned(), R::OutOfRange)]);
}

#[test]
fn what_only_the_type_can_refuse_still_has_a_pointer() {
    let port = json!({ "name": "t", "host": "h", "port": 5060.0 });
    assert_eq!(told::<TrunkCreate>(port), [("/port".to_owned(), R::WrongType)]);
}

#[test]
fn rules_speak_of_all_that_can_be_read_beside_a_fault() {
    let value = json!({
        "name": 5,
        "voice_id": "v",
        "inactivity_messages": [{ "after": "soon", "message": "a" }, 7, { "message": "b" }],
        "max_duration": "1d",
        "temperature": 2,
        "first_speaker": "nobody",
        "zzz": 1,
    });
    let mut read_as = None;
    let rules = |agent: &AgentCreate| {
        read_as = Some(agent.clone());
        [
            "/name",
            "/inactivity_messages/0",
            "/inactivity_messages/1/message",
            "/script",
        ]
        .map(|pointer| FieldFault::in_body(pointer, R::TooLong, "Too long."))
        .to_vec()
    };
    let faults = read::<AgentCreate>(value, Vec::new(), Place::Body, rules).unwrap_err();
    assert!(!faults.of_schema_alone);
    let agent = read_as.unwrap();
    assert_eq!((agent.voice_id.as_str(), agent.inactivity_messages.len()), ("v", 3));
    let of_rules = faults.all.iter().filter(|fault| fault.reason == R::TooLong);
    let of_rules: Vec<_> = of_rules.map(|fault| fault.pointer.as_str()).collect();
    assert_eq!(of_rules, ["/inactivity_messages/0", "/script"], "nothing twice");
}
