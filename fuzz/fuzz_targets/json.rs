//! Bodies of requests, through HTTP and the whole API. The client fails on any answer that the operation does
//! not document, so this looks for more than panics.
#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use testkit::TestApp;
use tokio::runtime::Runtime;

static APP: OnceLock<(Runtime, TestApp)> = OnceLock::new();

fn app() -> &'static (Runtime, TestApp) {
    APP.get_or_init(|| {
        let runtime = Runtime::new().expect("a runtime");
        let app = runtime.block_on(TestApp::start());
        (runtime, app)
    })
}

fuzz_target!(|data: &[u8]| {
    let (runtime, app) = app();
    let path = match data.first() {
        Some(b'a') => "/api/public/v1/telephony/trunks",
        Some(b'b') => "/api/public/v1/calls",
        _ => "/api/public/v1/agents",
    };
    let body = data.get(1..).unwrap_or_default().to_vec();
    runtime.block_on(app.client().post_text(path, "application/json", body));
});
