//! Trunks and numbers: rules of the use cases, and what the telephone network finds.

use std::fmt::Display;

use contract::{
    FieldReason, NumberAssign, NumberDirection, NumberImport, NumberUnassign, Reason, TrunkCreate, TrunkUpdate,
};
use domain::{
    Alongside, Change,
    ports::{AgentStore, TelephonyStore},
    records::{NumberFilter, Scope, Version},
};
use serde_json::{Value, json};

use crate::support::{ALL, Engine, World, broken_rule, by_another, faults, missing};

crate::on_both_engines![
    a_trunk_is_kept_in_its_canonical_form_and_never_shows_its_password,
    every_fault_of_a_trunk_is_told_at_once,
    an_update_of_a_trunk_keeps_the_password_unless_it_clears_it,
    a_trunk_with_numbers_stays,
    a_number_is_imported_once_in_the_whole_world,
    an_import_answers_form_then_trunk_then_provider,
    a_number_serves_one_agent_per_direction,
    of_an_agents_numbers_the_newest_calls_out_unless_another_is_named,
    assigning_names_what_is_missing_where_it_stands,
    of_two_agents_at_the_same_moment_one_gets_the_number,
    the_telephone_network_finds_number_tenant_and_trunk,
    a_deleted_agent_leaves_its_numbers_free,
    agents_that_share_numbers_crosswise_can_be_deleted_at_once
];

fn trunk(changes: &Value) -> TrunkCreate {
    let mut base = json!({ "name": "PBX", "host": "PBX.example.com" });
    for (name, value) in changes.as_object().unwrap() {
        base[name] = value.clone();
    }
    serde_json::from_value(base).unwrap()
}

fn import(phone: &str, trunk: impl Display + Copy) -> NumberImport {
    let json = json!({ "phone_number": phone, "trunk_id": trunk.to_string() });
    serde_json::from_value(json).unwrap()
}

fn assign(number: impl Display + Copy, agent: impl Display + Copy, direction: NumberDirection) -> NumberAssign {
    NumberAssign {
        number_id: number.to_string(),
        agent_id: agent.to_string(),
        direction,
    }
}

fn update(json: Value) -> TrunkUpdate {
    serde_json::from_value(json).unwrap()
}

async fn imported(world: &World, scope: Scope, phone: &str) -> contract::Number {
    let trunk = world
        .telephony
        .trunk_create(&Change::by_system(scope), trunk(&json!({})))
        .await
        .unwrap();
    world
        .telephony
        .number_import(&Change::by_system(scope), import(phone, trunk.id))
        .await
        .unwrap()
}

async fn a_trunk_is_kept_in_its_canonical_form_and_never_shows_its_password(engine: Engine) {
    let world = World::new(engine).await;
    let scope = world.tenant().await;
    let create = trunk(&json!({
        "username": "u", "password": "hunter2", "register": true, "source_addresses": ["192.0.2.9/24", "::ffff:10.0.0.1"],
    }));
    let made = world
        .telephony
        .trunk_create(&Change::by_system(scope), create)
        .await
        .unwrap();
    assert_eq!(
        (made.host.as_str(), made.port, made.has_password),
        ("pbx.example.com", 5060, true)
    );
    assert_eq!(made.source_addresses, ["192.0.2.0/24", "10.0.0.1/32"]);
    assert!(!serde_json::to_string(&made).unwrap().contains("hunter2"));
    assert_eq!(
        world.telephony.trunk_fetch(scope, &made.id.to_string()).await.unwrap(),
        made
    );
    assert_eq!(world.telephony.trunk_list(scope, ALL).await.unwrap().items, [made]);
    assert_eq!(world.store.trunks_that_register().await.unwrap().len(), 1);
}

async fn every_fault_of_a_trunk_is_told_at_once(engine: Engine) {
    let world = World::new(engine).await;
    let scope = world.tenant().await;
    let create = trunk(&json!({
        "host": "a b", "username": "u", "source_addresses": ["10.0.0.0/8", "10.1.2.3/8", "nonsense"],
    }));
    let mut told = faults(world.telephony.trunk_create(&Change::by_system(scope), create).await);
    told.sort();
    let expected = [
        ("/host", FieldReason::InvalidFormat),
        ("/password", FieldReason::Required),
        ("/source_addresses/1", FieldReason::Duplicate),
        ("/source_addresses/2", FieldReason::InvalidFormat),
    ];
    assert_eq!(told, expected.map(|(pointer, reason)| (pointer.to_owned(), reason)));
    let told = faults(
        world
            .telephony
            .trunk_create(&Change::by_system(scope), trunk(&json!({ "register": true })))
            .await,
    );
    assert_eq!(told.len(), 2, "registering needs both credentials");
}

async fn an_update_of_a_trunk_keeps_the_password_unless_it_clears_it(engine: Engine) {
    let world = World::new(engine).await;
    let scope = world.tenant().await;
    let create = trunk(&json!({ "username": "u", "password": "hunter2" }));
    let made = world
        .telephony
        .trunk_create(&Change::by_system(scope), create)
        .await
        .unwrap();
    let id = made.id.to_string();
    world
        .telephony
        .trunk_update(
            &Change::by_system(scope),
            &id,
            update(json!({ "port": 5080, "transport": "tcp" })),
        )
        .await
        .unwrap();
    let kept = world.store.trunk_fetch(scope, made.id).await.unwrap().unwrap();
    assert_eq!((kept.password.as_deref(), kept.trunk.port), (Some("hunter2"), 5080));
    let told = faults(
        world
            .telephony
            .trunk_update(&Change::by_system(scope), &id, update(json!({ "password": null })))
            .await,
    );
    assert_eq!(told, [("/password".to_owned(), FieldReason::Required)]);
    let cleared = update(json!({ "username": null, "password": null }));
    let cleared = world
        .telephony
        .trunk_update(&Change::by_system(scope), &id, cleared)
        .await
        .unwrap();
    assert!(!cleared.has_password && cleared.username.is_none());
    assert_eq!(
        missing(
            world
                .telephony
                .trunk_update(&Change::by_system(scope), "x", TrunkUpdate::default())
                .await
        ),
        ("trunk", None)
    );
}

async fn a_trunk_with_numbers_stays(engine: Engine) {
    let world = World::new(engine).await;
    let scope = world.tenant().await;
    let number = imported(&world, scope, "+14155550100").await;
    let trunk = number.trunk_id.to_string();
    let (reason, details) = broken_rule(world.telephony.trunk_delete(&Change::by_system(scope), &trunk).await);
    assert_eq!(
        (reason, &details["numbers"], &details["trunk_id"]),
        (Reason::TrunkInUse, &json!(1), &json!(trunk))
    );
    world
        .telephony
        .number_release(&Change::by_system(scope), &number.id.to_string())
        .await
        .unwrap();
    assert_eq!(
        missing(
            world
                .telephony
                .number_release(&by_another(scope), &number.id.to_string())
                .await
        ),
        ("number", None)
    );
    world
        .telephony
        .trunk_delete(&Change::by_system(scope), &trunk)
        .await
        .unwrap();
    assert_eq!(
        missing(world.telephony.trunk_delete(&by_another(scope), &trunk).await),
        ("trunk", None)
    );
}

async fn a_number_is_imported_once_in_the_whole_world(engine: Engine) {
    let world = World::new(engine).await;
    let [ours, theirs] = [world.tenant().await, world.tenant().await];
    let number = imported(&world, ours, "+442079460000").await;
    assert_eq!(
        (number.country.as_deref(), number.phone_number.as_str()),
        (Some("GB"), "+442079460000")
    );
    let trunk = world
        .telephony
        .trunk_create(&Change::by_system(theirs), trunk(&json!({})))
        .await
        .unwrap();
    let outcome = world
        .telephony
        .number_import(&Change::by_system(theirs), import("+442079460000", trunk.id))
        .await;
    let (reason, details) = broken_rule(outcome);
    assert_eq!(
        (reason, &details["phone_number"]),
        (Reason::NumberInUse, &json!("+442079460000"))
    );
    assert_eq!(details.len(), 1, "nothing of the other tenant is told");
}

async fn an_import_answers_form_then_trunk_then_provider(engine: Engine) {
    let world = World::new(engine).await;
    let [ours, theirs] = [world.tenant().await, world.tenant().await];
    let their_trunk = world
        .telephony
        .trunk_create(&Change::by_system(theirs), trunk(&json!({})))
        .await
        .unwrap()
        .id;
    let our_trunk = world
        .telephony
        .trunk_create(&Change::by_system(ours), trunk(&json!({})))
        .await
        .unwrap()
        .id;
    let from = |provider: &str, mut import: NumberImport| {
        provider.clone_into(&mut import.provider);
        import
    };
    let told = faults(
        world
            .telephony
            .number_import(&Change::by_system(ours), from("twilio", import("0123", their_trunk)))
            .await,
    );
    assert_eq!(told, [("/phone_number".to_owned(), FieldReason::InvalidFormat)]);
    for unknown in ["nonsense".to_owned(), their_trunk.to_string()] {
        let outcome = world
            .telephony
            .number_import(
                &Change::by_system(ours),
                from("twilio", import("+14155550100", &unknown)),
            )
            .await;
        assert_eq!(missing(outcome), ("trunk", Some("/trunk_id")));
    }
    let outcome = world
        .telephony
        .number_import(
            &Change::by_system(ours),
            from("twilio", import("+14155550100", our_trunk)),
        )
        .await;
    assert_eq!(broken_rule(outcome).0, Reason::UnsupportedProvider);
}

async fn of_an_agents_numbers_the_newest_calls_out_unless_another_is_named(engine: Engine) {
    let world = World::new(engine).await;
    let [ours, theirs] = [world.tenant().await, world.tenant().await];
    let [agent, other] = [world.agent(ours).await.id, world.agent(ours).await.id];
    for (phone, agent, direction) in [
        ("+14155550101", agent, NumberDirection::Both),
        ("+14155550102", agent, NumberDirection::Outbound),
        ("+14155550103", agent, NumberDirection::Inbound),
        ("+14155550104", other, NumberDirection::Both),
    ] {
        let number = imported(&world, ours, phone).await;
        let assigned = assign(number.id, agent, direction);
        world
            .telephony
            .number_assign(&Change::by_system(ours), assigned)
            .await
            .unwrap();
    }
    for (scope, wanted, found) in [
        (ours, None, Some("+14155550102")),
        (ours, Some("+14155550101"), Some("+14155550101")),
        (ours, Some("+14155550102"), Some("+14155550102")),
        (ours, Some("+14155550103"), None),
        (ours, Some("+14155550104"), None),
        (theirs, None, None),
        (theirs, Some("+14155550101"), None),
    ] {
        let number = world
            .store
            .number_for_outbound(scope, agent, wanted.map(ToOwned::to_owned))
            .await;
        let number = number.unwrap().map(|number| number.phone_number);
        assert_eq!(number.as_deref(), found, "{wanted:?}");
    }
}

async fn a_number_serves_one_agent_per_direction(engine: Engine) {
    let world = World::new(engine).await;
    let scope = world.tenant().await;
    let [one, two] = [world.agent(scope).await.id, world.agent(scope).await.id];
    let number = imported(&world, scope, "+14155550100").await;
    let telephony = &world.telephony;
    let inbound = telephony
        .number_assign(
            &Change::by_system(scope),
            assign(number.id, one, NumberDirection::Inbound),
        )
        .await
        .unwrap();
    assert_eq!((inbound.inbound_agent_id, inbound.outbound_agent_id), (Some(one), None));
    telephony
        .number_assign(
            &Change::by_system(scope),
            assign(number.id, two, NumberDirection::Outbound),
        )
        .await
        .unwrap();
    telephony
        .number_assign(
            &Change::by_system(scope),
            assign(number.id, one, NumberDirection::Inbound),
        )
        .await
        .unwrap();
    let (reason, details) = broken_rule(
        telephony
            .number_assign(&Change::by_system(scope), assign(number.id, one, NumberDirection::Both))
            .await,
    );
    assert_eq!(
        (reason, &details["direction"], &details["agent_id"]),
        (Reason::NumberInUse, &json!("outbound"), &json!(two))
    );
    assert_eq!(
        telephony
            .agent_numbers(scope, &two.to_string(), ALL)
            .await
            .unwrap()
            .total,
        1
    );
    let unassign = NumberUnassign {
        number_id: number.id.to_string(),
        direction: NumberDirection::Outbound,
    };
    let freed = telephony
        .number_unassign(&Change::by_system(scope), unassign)
        .await
        .unwrap();
    assert_eq!((freed.inbound_agent_id, freed.outbound_agent_id), (Some(one), None));
    assert_eq!(
        telephony
            .agent_numbers(scope, &two.to_string(), ALL)
            .await
            .unwrap()
            .total,
        0
    );
    assert_eq!(
        telephony
            .number_list(scope, NumberFilter::default(), ALL)
            .await
            .unwrap()
            .items,
        std::slice::from_ref(&freed)
    );
    assert_eq!(
        telephony.number_fetch(scope, &number.id.to_string()).await.unwrap(),
        freed
    );
}

async fn assigning_names_what_is_missing_where_it_stands(engine: Engine) {
    let world = World::new(engine).await;
    let scope = world.tenant().await;
    let agent = world.agent(scope).await.id;
    let number = imported(&world, scope, "+14155550100").await.id;
    let both = NumberDirection::Both;
    let outcome = world
        .telephony
        .number_assign(&Change::by_system(scope), assign("x", "y", both))
        .await;
    assert_eq!(missing(outcome), ("number", Some("/number_id")));
    let outcome = world
        .telephony
        .number_assign(
            &Change::by_system(scope),
            assign(number, contract::AgentId::new(), both),
        )
        .await;
    assert_eq!(missing(outcome), ("agent", Some("/agent_id")));
    let unassign = NumberUnassign {
        number_id: agent.to_string(),
        direction: both,
    };
    assert_eq!(
        missing(
            world
                .telephony
                .number_unassign(&Change::by_system(scope), unassign)
                .await
        ),
        ("number", Some("/number_id"))
    );
    assert_eq!(
        missing(world.telephony.agent_numbers(scope, "x", ALL).await),
        ("agent", None)
    );
}

async fn of_two_agents_at_the_same_moment_one_gets_the_number(engine: Engine) {
    let world = World::new(engine).await;
    let scope = world.tenant().await;
    let [one, two] = [world.agent(scope).await.id, world.agent(scope).await.id];
    let number = imported(&world, scope, "+14155550100").await;
    let change = Change::by_system(scope);
    let attempt = |agent| {
        let both = assign(number.id, agent, NumberDirection::Both);
        world.telephony.number_assign(&change, both)
    };
    let (first, second) = tokio::join!(attempt(one), attempt(two));
    assert!(first.is_ok() != second.is_ok());
    let refused = if first.is_ok() { second } else { first };
    assert_eq!(broken_rule(refused).0, Reason::NumberInUse);
    let mut number = world.store.number_fetch(scope, number.id).await.unwrap().unwrap();
    let other = if number.inbound_agent_id == Some(one) { two } else { one };
    number.inbound_agent_id = Some(other);
    let late = world
        .store
        .number_assign(scope, &number, Version(1), &Alongside::nothing())
        .await;
    assert!(!late.unwrap(), "what was based on an older state changes nothing");
}

async fn the_telephone_network_finds_number_tenant_and_trunk(engine: Engine) {
    let world = World::new(engine).await;
    let scope = world.tenant().await;
    let number = world.number(scope, "+14155550100").await;
    let found = world.store.number_by_phone("+14155550100").await.unwrap().unwrap();
    assert_eq!((found.organization, &found.number), (scope.organization, &number));
    assert_eq!(
        (found.trunk.trunk.id, found.trunk.password.is_some()),
        (number.trunk_id, true)
    );
    assert_eq!(world.store.number_by_phone("+14155550101").await.unwrap(), None);
}

async fn a_deleted_agent_leaves_its_numbers_free(engine: Engine) {
    let world = World::new(engine).await;
    let scope = world.tenant().await;
    let agent = world.agent(scope).await.id;
    let number = world.number(scope, "+14155550100").await;
    let change = Change::by_system(scope);
    let both = assign(number.id, agent, NumberDirection::Both);
    world.telephony.number_assign(&change, both).await.unwrap();
    assert!(
        world
            .store
            .agent_delete(scope, agent, Version(1), &Alongside::nothing())
            .await
            .unwrap()
    );
    assert_eq!(world.store.number_fetch(scope, number.id).await.unwrap(), Some(number));
}

async fn agents_that_share_numbers_crosswise_can_be_deleted_at_once(engine: Engine) {
    let world = World::new(engine).await;
    let scope = world.tenant().await;
    for round in 0..8 {
        let [one, two] = [world.agent(scope).await.id, world.agent(scope).await.id];
        for (last, [inbound, outbound]) in [(0, [one, two]), (1, [two, one])] {
            let mut number = world.number(scope, &format!("+141555501{round}{last}")).await;
            (number.inbound_agent_id, number.outbound_agent_id) = (Some(inbound), Some(outbound));
            let nothing = Alongside::nothing();
            let assigned = world.store.number_assign(scope, &number, Version(1), &nothing).await;
            assert!(assigned.unwrap());
        }
        let deletes = [one, two].map(|agent| {
            let store = world.store.clone();
            tokio::spawn(async move {
                store
                    .agent_delete(scope, agent, Version(1), &Alongside::nothing())
                    .await
            })
        });
        for delete in deletes {
            assert!(delete.await.unwrap().unwrap());
        }
    }
    let numbers = world
        .store
        .number_list(scope, NumberFilter::default(), ALL)
        .await
        .unwrap();
    let taken = |number: &contract::Number| number.inbound_agent_id.or(number.outbound_agent_id).is_some();
    assert!(numbers.total == 16 && !numbers.items.iter().any(taken));
}
