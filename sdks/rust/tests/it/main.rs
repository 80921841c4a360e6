//! The library against a server that follows a script, and against the real one.
#![expect(clippy::unwrap_used, reason = "tests")]

mod golden;
mod lists;
mod operations;
mod retries;
mod safety;
mod server;
mod streams;

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use callwright_client::{Client, ClientBuilder, Timer};
use futures_util::future::BoxFuture;

/// The key of all these tests.
const KEY: &str = "cw_test_secret_of_nobody";

/// A clock that only moves when somebody sleeps, which takes no time.
#[derive(Debug)]
struct VirtualTimer {
    began: Instant,
    slept: Mutex<Vec<Duration>>,
    jitter: f64,
}

impl VirtualTimer {
    fn new(jitter: f64) -> Arc<Self> {
        Arc::new(Self {
            began: Instant::now(),
            slept: Mutex::default(),
            jitter,
        })
    }

    /// Every wait so far, in milliseconds.
    fn slept(&self) -> Vec<u128> {
        self.slept.lock().unwrap().iter().map(Duration::as_millis).collect()
    }
}

impl Timer for VirtualTimer {
    fn now(&self) -> Instant {
        self.began + self.slept.lock().unwrap().iter().sum::<Duration>()
    }

    fn sleep(&self, wait: Duration) -> BoxFuture<'static, ()> {
        self.slept.lock().unwrap().push(wait);
        Box::pin(async {})
    }

    fn jitter(&self) -> f64 {
        self.jitter
    }
}

/// A client of `server` with a clock of its own, and that clock.
fn client(server: &server::Server) -> (Client, Arc<VirtualTimer>) {
    let timer = VirtualTimer::new(0.0);
    (builder(server).timer(timer.clone()).build().unwrap(), timer)
}

fn builder(server: &server::Server) -> ClientBuilder {
    Client::builder(&server.base()).key(KEY)
}
