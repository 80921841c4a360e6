//! Counters that nodes share, against a real Redis server, with and without something in the way.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use contract::{OrganizationId, Timestamp};
use domain::{
    clock::{ManualClock, SystemClock},
    limits::{LimitCounters as _, Span, Subject, Tally, Window},
    ports::Clock as _,
};
use testkit::{Logs, RedisCounters, RedisLimitsSetup, TcpProxy, TestApp};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
    time::timeout,
};
use uuid::Uuid;

/// Longer than any of this takes, shorter than the runner's own patience.
const PATIENCE: Duration = Duration::from_secs(20);

fn server() -> SocketAddr {
    let url = std::env::var("TEST_REDIS_URL").unwrap_or_else(|_| "redis://127.0.0.1:6379".to_owned());
    let address = url.trim_start_matches("redis://").trim_end_matches('/');
    address
        .parse()
        .expect("a Redis server without a password, by its IP address")
}

/// A part of the server that is this test's own.
struct Part(String);

impl Part {
    fn new() -> Self {
        Self(format!("callwright-test:{}:", Uuid::now_v7()))
    }

    async fn node(&self, address: SocketAddr, patience: Duration) -> RedisCounters {
        let setup = RedisLimitsSetup {
            url: format!("redis://{address}"),
            prefix: self.0.clone(),
            patience,
        };
        // Standing far from the machine's time: only when alone does a node go by its own clock.
        let clock = Arc::new(ManualClock::default());
        RedisCounters::open(setup, clock).await.unwrap()
    }

    fn key_of(&self, organization: OrganizationId) -> String {
        format!("{}{{{organization}}}:organization", self.0)
    }

    /// Leaves the server as it was.
    async fn clear(self) {
        for key in ask(&format!("KEYS {}*", self.0)).await {
            ask(&format!("DEL {key}")).await;
        }
    }
}

/// One command, and the lines of its answer without what announces them.
async fn ask(command: &str) -> Vec<String> {
    let mut stream = BufReader::new(TcpStream::connect(server()).await.unwrap());
    stream
        .write_all(format!("{command}\r\nQUIT\r\n").as_bytes())
        .await
        .unwrap();
    let mut lines = stream.lines();
    let mut answer = Vec::new();
    while let Some(line) = lines.next_line().await.unwrap() {
        match line.chars().next() {
            Some('*' | '$' | '+') => {}
            _ => answer.push(line.trim_start_matches(':').to_owned()),
        }
    }
    answer
}

async fn until(counters: &RedisCounters, shared: bool) {
    let mut state = counters.shared();
    let waited = timeout(PATIENCE, state.wait_for(|now| *now == shared)).await;
    assert!(waited.is_ok_and(|state| state.is_ok()), "shared: {shared}");
}

fn hour(subject: Subject, limit: u32) -> Window {
    Window {
        subject,
        span: Span::Hour,
        limit,
    }
}

/// Runs it again should the window end meanwhile.
async fn within_one<T>(span: Span, mut work: impl AsyncFnMut() -> T) -> T {
    loop {
        let began = span.start(SystemClock.now());
        let outcome = work().await;
        if span.start(SystemClock.now()) == began {
            return outcome;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_nodes_together_admit_exactly_what_is_allowed() {
    let part = Part::new();
    let nodes = [
        Arc::new(part.node(server(), PATIENCE).await),
        Arc::new(part.node(server(), PATIENCE).await),
    ];
    let admitted = within_one(Span::Hour, async || {
        let organization = OrganizationId::new();
        let asking = (0..400_u128).map(|index| {
            let node = Arc::clone(&nodes[index as usize % 2]);
            let caller = Subject::Caller(organization, Uuid::from_u128(index % 8));
            let windows = [hour(Subject::Organization(organization), 150), hour(caller, 40)];
            tokio::spawn(async move { node.take(&windows).await })
        });
        let tallies: Vec<_> = futures_util::future::join_all(asking).await;
        let tallies: Vec<Tally> = tallies.into_iter().map(Result::unwrap).collect();
        let mut counts: Vec<_> = tallies
            .iter()
            .filter(|tally| tally.admitted)
            .map(|tally| tally.used[0])
            .collect();
        counts.sort_unstable();
        counts
    })
    .await;
    assert_eq!(admitted, (1..=150).collect::<Vec<_>>(), "each place was given once");
    assert!(nodes.iter().all(|node| *node.shared().borrow()));
    part.clear().await;
}

#[tokio::test]
async fn a_refused_request_counts_nowhere_and_keys_go_with_their_window() {
    let part = Part::new();
    let node = part.node(server(), PATIENCE).await;
    let (tallies, key) = within_one(Span::Hour, async || {
        let organization = OrganizationId::new();
        let roomy = hour(Subject::Organization(organization), 10);
        let tight = hour(Subject::Caller(organization, Uuid::nil()), 1);
        let mut tallies = Vec::new();
        for windows in [&[roomy, tight][..], &[roomy, tight], &[roomy]] {
            let tally = node.take(windows).await;
            tallies.push((tally.admitted, tally.used.to_vec()));
        }
        (tallies, part.key_of(organization))
    })
    .await;
    assert_eq!(tallies, [(true, vec![1, 1]), (false, vec![1, 1]), (true, vec![2])]);
    let left: i64 = ask(&format!("TTL {key}")).await[0].parse().unwrap();
    assert!((0..=3600).contains(&left), "{left}");
    part.clear().await;
}

#[tokio::test]
async fn windows_follow_the_servers_clock_and_not_the_nodes() {
    let part = Part::new();
    let node = part.node(server(), PATIENCE).await;
    let at = node
        .take(&[hour(Subject::Organization(OrganizationId::new()), 1)])
        .await
        .at;
    let off = (at.millis() - SystemClock.now().millis()).abs();
    assert!(off < 60_000, "{at}");
    part.clear().await;
}

#[tokio::test]
async fn a_server_that_goes_away_fails_no_request_and_is_found_again() {
    let logs = Logs::listen();
    let (part, proxy) = (Part::new(), TcpProxy::start(server()).await);
    let node = Arc::new(part.node(proxy.address(), PATIENCE).await);
    let app = TestApp::builder()
        .config(|config| {
            config.rate_limit.enabled = true;
            config.rate_limit.minute = 0;
            config.rate_limit.hour = 3;
        })
        .counters(node.clone())
        .start()
        .await;
    let client = app.client();
    client.get("/agents").await.ok();

    proxy.cut();
    // Alone, a node counts from the beginning and holds the same limits.
    for remaining in ["2", "1", "0"] {
        let answer = client.get("/agents").await;
        assert_eq!(
            (answer.status.as_u16(), answer.header("x-ratelimit-remaining")),
            (200, remaining)
        );
    }
    let refused = client.get("/agents").await;
    assert_eq!(refused.pair(), "rate_limit_exceeded.requests");
    assert_eq!(
        refused.details()["reset_at"],
        Timestamp::from_millis(Span::Hour.end(ManualClock::default().now()) * 1000).to_string()
    );
    assert!(!*node.shared().borrow());

    proxy.mend();
    until(&node, true).await;
    client.get("/agents").await.ok();
    assert_eq!(
        logs.lines_with("counted by this node alone").len(),
        1,
        "{}",
        logs.text()
    );
    assert_eq!(logs.lines_with("counted together").len(), 2, "{}", logs.text());
    part.clear().await;
}

#[tokio::test]
async fn a_server_that_says_nothing_costs_one_wait_and_then_none() {
    let (part, proxy) = (Part::new(), TcpProxy::start(server()).await);
    let node = Arc::new(part.node(proxy.address(), Duration::from_secs(2)).await);
    let organization = Subject::Organization(OrganizationId::new());
    proxy.hold();
    assert_eq!(node.take(&[hour(organization, 100)]).await.used[..], [1]);
    assert!(!*node.shared().borrow());
    // None of these waits for the server; together they take less than one wait.
    let soon = timeout(Duration::from_secs(2), async {
        for used in 2..=50 {
            assert_eq!(node.take(&[hour(organization, 100)]).await.used[..], [used]);
        }
    });
    assert!(soon.await.is_ok());
    proxy.mend();
    until(&node, true).await;
    part.clear().await;
}

#[tokio::test]
async fn a_server_that_is_not_there_at_the_start_is_found_later() {
    let (part, proxy) = (Part::new(), TcpProxy::start(server()).await);
    proxy.cut();
    let node = part.node(proxy.address(), PATIENCE).await;
    assert!(
        node.take(&[hour(Subject::Organization(OrganizationId::new()), 1)])
            .await
            .admitted
    );
    assert!(!*node.shared().borrow());
    proxy.mend();
    until(&node, true).await;
    part.clear().await;
}

#[tokio::test]
async fn refused_credentials_count_across_nodes() {
    // Two nodes with a database each: credentials that are refused are refused by both.
    let node = async |part: &Part| {
        let limited = |config: &mut api::ApiConfig| {
            config.rate_limit.enabled = true;
            config.rate_limit.authentication_failures_per_minute = 2;
        };
        let counters = Arc::new(part.node(server(), PATIENCE).await);
        TestApp::builder().config(limited).counters(counters).start().await
    };
    let answers = within_one(Span::Minute, async || {
        let part = Part::new();
        let (first, second) = (node(&part).await, node(&part).await);
        let ask = async |app: &TestApp| app.client_with(Some("cw_wrong")).get("/agents").await.status.as_u16();
        let answers = [
            ask(&first).await,
            ask(&second).await,
            ask(&first).await,
            ask(&second).await,
        ];
        part.clear().await;
        answers
    });
    assert_eq!(answers.await, [401, 401, 429, 429]);
}
