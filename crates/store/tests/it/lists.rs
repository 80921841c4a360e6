//! Lists are newest first, and pages fit together.

use contract::{CallDirection, CallStatus, EndReason};
use domain::{
    ports::{AgentStore, CallStore, OrganizationStore, TelephonyStore, VoiceStore},
    records::{CallFilter, NumberFilter, Page},
};

use crate::support::{ALL, Engine, World, call, call_put, ending, voice};

crate::on_both_engines![
    pages_by_offset_and_by_cursor_show_the_same_list,
    every_list_is_newest_first_and_keeps_to_its_limit,
    filters_of_calls_are_exact_and_count,
    a_page_beyond_the_end_is_empty
];

async fn pages_by_offset_and_by_cursor_show_the_same_list(engine: Engine) {
    let world = World::new(engine).await;
    let scope = world.tenant().await;
    let mut newest_first = Vec::new();
    for _ in 0..7 {
        newest_first.insert(0, world.agent(scope).await.id);
    }
    let page = |offset, before| Page {
        limit: 3,
        offset,
        before,
    };
    let mut by_offset = Vec::new();
    let mut by_cursor = Vec::new();
    for number in 0..3 {
        let listed = world.store.agent_list(scope, page(number * 3, None)).await.unwrap();
        assert_eq!(listed.total, 7);
        by_offset.extend(listed.items.iter().map(|agent| agent.id));
        let before = by_cursor.last().map(|id: &contract::AgentId| id.0);
        let listed = world.store.agent_list(scope, page(0, before)).await.unwrap();
        assert_eq!(listed.total, 7);
        by_cursor.extend(listed.items.iter().map(|agent| agent.id));
    }
    assert_eq!(by_offset, newest_first);
    assert_eq!(by_cursor, newest_first);
}

async fn every_list_is_newest_first_and_keeps_to_its_limit(engine: Engine) {
    let world = World::new(engine).await;
    let scope = world.tenant().await;
    let agent = world.agent(scope).await;
    for phone in ["+14155550100", "+14155550101", "+14155550102"] {
        world.number(scope, phone).await;
        call_put(&world.store, scope, &call(agent.id), 10).await.unwrap();
        world.store.voice_register_system(&voice("local", phone)).await.unwrap();
    }
    let two = Page {
        limit: 2,
        offset: 1,
        before: None,
    };
    let numbers = world
        .store
        .number_list(scope, NumberFilter::default(), two)
        .await
        .unwrap();
    assert_eq!(
        numbers
            .items
            .iter()
            .map(|number| number.phone_number.as_str())
            .collect::<Vec<_>>(),
        ["+14155550101", "+14155550100"]
    );
    let calls = world.store.call_list(scope, CallFilter::default(), two).await.unwrap();
    assert!(calls.items.len() == 2 && calls.items[0].id > calls.items[1].id);
    let trunks = world.store.trunk_list(scope, two).await.unwrap();
    assert!(trunks.items.len() == 2 && trunks.items[0].trunk.id > trunks.items[1].trunk.id);
    let voices = world.store.voice_list(scope, two).await.unwrap();
    assert!(voices.items.len() == 2 && voices.items[0].id > voices.items[1].id);
    assert_eq!([numbers.total, calls.total, trunks.total, voices.total], [3; 4]);
    assert_eq!(world.store.key_list(scope, two).await.unwrap().items.len(), 0);
    assert_eq!(world.store.key_list(scope, ALL).await.unwrap().total, 1);
}

async fn filters_of_calls_are_exact_and_count(engine: Engine) {
    let world = World::new(engine).await;
    let scope = world.tenant().await;
    let [one, two] = [world.agent(scope).await.id, world.agent(scope).await.id];
    let mut inbound = call(one);
    inbound.direction = CallDirection::Inbound;
    let finished = call(one);
    for call in [&inbound, &finished, &call(two)] {
        assert!(call_put(&world.store, scope, call, 10).await.unwrap());
    }
    let over = ending(CallStatus::Completed, EndReason::CallerHangup);
    assert!(world.store.call_finish(scope, finished.id, &over).await.unwrap());
    let filter = |agent, status, direction| CallFilter {
        agent,
        status,
        direction,
    };
    for (filter, total) in [
        (filter(None, None, None), 3),
        (filter(Some(one), None, None), 2),
        (filter(Some(one), Some(CallStatus::Queued), None), 1),
        (filter(None, Some(CallStatus::Completed), None), 1),
        (filter(None, None, Some(CallDirection::Inbound)), 1),
        (filter(Some(two), None, Some(CallDirection::Inbound)), 0),
    ] {
        let listed = world.store.call_list(scope, filter, ALL).await.unwrap();
        assert_eq!((listed.total, listed.items.len() as u64), (total, total), "{filter:?}");
    }
}

async fn a_page_beyond_the_end_is_empty(engine: Engine) {
    let world = World::new(engine).await;
    let scope = world.tenant().await;
    world.agent(scope).await;
    let beyond = Page {
        limit: 100,
        offset: u64::MAX,
        before: None,
    };
    let listed = world.store.agent_list(scope, beyond).await.unwrap();
    assert_eq!((listed.items.len(), listed.total), (0, 1));
}
