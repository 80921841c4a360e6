//! What is kept of requests that failed.

use std::time::Duration;

use contract::{FailedRequest, FailedRequestReport, LogLine, OrganizationId, RequestId, Timestamp};
use domain::{
    records::Page,
    requests::{RequestBounds, RequestFilter, RequestStore},
};

use crate::support::{ALL, Engine, World};

crate::on_both_engines![
    a_failed_request_comes_back_as_it_was_and_only_to_whom_it_belongs,
    filters_are_exact_and_pages_count_what_they_leave,
    what_is_too_old_is_forgotten,
    an_organisation_whose_provider_fails_all_day_takes_no_place_of_anothers,
    a_flood_of_strangers_takes_no_place_of_others_and_no_organisation_those_of_another
];

const HOUR: Duration = Duration::from_hours(1);

fn failed(status: u16, organization: Option<OrganizationId>, at: i64) -> FailedRequestReport {
    let (code, reason) = match status {
        401 => ("unauthorized", "invalid_api_key"),
        404 => ("not_found", "resource_not_found"),
        502 => ("provider_error", "unreachable"),
        _ => ("internal_error", "internal"),
    };
    FailedRequestReport {
        request: FailedRequest {
            id: RequestId::new(),
            at: Timestamp::from_millis(at),
            method: Some("GET".to_owned()),
            route: Some("/api/public/v1/agents/{id}".to_owned()),
            status,
            code: code.to_owned(),
            reason: reason.to_owned(),
            duration_ms: 12,
            client_request_id: Some("mine-1".to_owned()),
            address: Some("192.0.2.7".to_owned()),
        },
        organization_id: organization,
        cause: Some("store: agent_fetch: disk I/O error".to_owned()),
        lines: vec![LogLine {
            at: Timestamp::from_millis(at),
            level: "WARN".to_owned(),
            target: "store".to_owned(),
            text: "slow attempt=2".to_owned(),
        }],
        lines_omitted: 3,
    }
}

fn ids(failed: &[FailedRequestReport]) -> Vec<RequestId> {
    failed.iter().map(|report| report.request.id).collect()
}

/// What everybody's list shows, oldest first.
async fn kept(world: &World) -> Vec<FailedRequestReport> {
    let filter = RequestFilter::default();
    let mut listing = world.store.request_list_any(None, &filter, ALL).await.unwrap();
    listing.items.reverse();
    listing.items
}

async fn a_failed_request_comes_back_as_it_was_and_only_to_whom_it_belongs(engine: Engine) {
    let world = World::new(engine).await;
    let (ours, theirs) = (world.tenant().await, world.tenant().await);
    let mut bare = failed(401, None, 1000);
    bare.request.method = None;
    bare.request.route = None;
    bare.cause = None;
    bare.lines.clear();
    let own = failed(500, Some(ours.organization), 2000);
    let all = [bare, own.clone()];
    world.store.requests_add(&all).await.unwrap();
    world.store.requests_add(&all).await.unwrap();
    assert_eq!(kept(&world).await, all);
    let id = own.request.id;
    assert_eq!(world.store.request_fetch(ours, id).await.unwrap(), Some(own.clone()));
    assert_eq!(world.store.request_fetch(theirs, id).await.unwrap(), None);
    assert_eq!(world.store.request_fetch_any(id).await.unwrap(), Some(own.clone()));
    let filter = RequestFilter::default();
    assert_eq!(world.store.request_list(ours, &filter, ALL).await.unwrap().items, [own]);
    assert_eq!(world.store.request_list(theirs, &filter, ALL).await.unwrap().total, 0);
}

async fn filters_are_exact_and_pages_count_what_they_leave(engine: Engine) {
    let world = World::new(engine).await;
    let scope = world.tenant().await;
    let organization = Some(scope.organization);
    let all = [
        failed(404, organization, 1000),
        failed(500, organization, 2000),
        failed(404, organization, 3000),
    ];
    world.store.requests_add(&all).await.unwrap();
    let filters = [
        (
            RequestFilter {
                status: Some(404),
                ..RequestFilter::default()
            },
            vec![2, 0],
        ),
        (
            RequestFilter {
                code: Some("internal_error".to_owned()),
                ..RequestFilter::default()
            },
            vec![1],
        ),
        (
            RequestFilter {
                reason: Some("resource_not_found".to_owned()),
                ..RequestFilter::default()
            },
            vec![2, 0],
        ),
        (
            RequestFilter {
                since: Some(Timestamp::from_millis(2000)),
                ..RequestFilter::default()
            },
            vec![2, 1],
        ),
        (
            RequestFilter {
                status: Some(404),
                since: Some(Timestamp::from_millis(2000)),
                ..RequestFilter::default()
            },
            vec![2],
        ),
    ];
    for (filter, expected) in filters {
        let found = world.store.request_list(scope, &filter, ALL).await.unwrap();
        let expected: Vec<_> = expected.into_iter().map(|index: usize| all[index].request.id).collect();
        assert_eq!(
            (ids(&found.items), found.total),
            (expected.clone(), expected.len() as u64),
            "{filter:?}"
        );
        let everybodys = world.store.request_list_any(organization, &filter, ALL).await.unwrap();
        assert_eq!(everybodys, found, "{filter:?}");
    }
    let page = Page {
        limit: 1,
        offset: 1,
        before: None,
    };
    let second = world
        .store
        .request_list(scope, &RequestFilter::default(), page)
        .await
        .unwrap();
    assert_eq!((ids(&second.items), second.total), (vec![all[1].request.id], 3));
}

async fn what_is_too_old_is_forgotten(engine: Engine) {
    let world = World::new(engine).await;
    let all = [
        failed(500, None, 1000),
        failed(401, None, 1999),
        failed(500, None, 2000),
    ];
    world.store.requests_add(&all).await.unwrap();
    let purged = world
        .store
        .requests_purge(Timestamp::from_millis(2000), &RequestBounds::default())
        .await
        .unwrap();
    assert_eq!((purged, ids(&kept(&world).await)), (2, vec![all[2].request.id]));
}

async fn an_organisation_whose_provider_fails_all_day_takes_no_place_of_anothers(engine: Engine) {
    let world = World::new(engine).await;
    let (loud, quiet) = (world.tenant().await.organization, world.tenant().await.organization);
    let mut all = vec![failed(500, None, 10), failed(500, Some(quiet), 10)];
    all.extend((0..6).map(|_| failed(502, Some(loud), 10)));
    world.store.requests_add(&all).await.unwrap();
    let bounds = RequestBounds {
        broken_max: 5,
        broken_of_one_max: 3,
        ..RequestBounds::default()
    };
    let start = Timestamp::from_millis(0);
    assert_eq!(world.store.requests_purge(start, &bounds).await.unwrap(), 3);
    let expected = [0, 1, 5, 6, 7].map(|index: usize| all[index].request.id);
    assert_eq!(ids(&kept(&world).await), expected);
}

async fn a_flood_of_strangers_takes_no_place_of_others_and_no_organisation_those_of_another(engine: Engine) {
    let world = World::new(engine).await;
    let (loud, quiet) = (world.tenant().await.organization, world.tenant().await.organization);
    let mut all = vec![failed(500, None, 10), failed(404, Some(quiet), 10)];
    all.extend((0..6).map(|_| failed(401, None, 10)));
    all.extend((0..6).map(|_| failed(404, Some(loud), 10)));
    world.store.requests_add(&all).await.unwrap();
    let bounds = RequestBounds {
        keep: HOUR,
        broken_max: 5,
        broken_of_one_max: 2,
        refused_max: 5,
        refused_of_one_max: 3,
        stranger_max: 2,
    };
    let purged = world
        .store
        .requests_purge(Timestamp::from_millis(0), &bounds)
        .await
        .unwrap();
    let expected: Vec<_> = [0, 1, 6, 7, 11, 12, 13]
        .map(|index: usize| all[index].request.id)
        .to_vec();
    assert_eq!((purged, ids(&kept(&world).await)), (7, expected));
    let tighter = RequestBounds {
        refused_max: 2,
        ..bounds
    };
    world
        .store
        .requests_purge(Timestamp::from_millis(0), &tighter)
        .await
        .unwrap();
    let expected: Vec<_> = [0, 6, 7, 12, 13].map(|index: usize| all[index].request.id).to_vec();
    assert_eq!(ids(&kept(&world).await), expected);
}
