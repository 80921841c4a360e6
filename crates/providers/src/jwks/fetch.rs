//! Asking an issuer for its keys.

use std::time::Duration;

use contract::ProviderKind;
use domain::{ProviderFailure, ProviderFault};
use reqwest::{
    Client, Url,
    header::{ACCEPT, CACHE_CONTROL},
    redirect::Policy,
};

use super::set::KeySet;
use crate::{
    Timeouts,
    http::{Operation, is_this_machine},
};

/// Largest set of keys that is read.
const BYTES_MAX: usize = 256 * 1024;

/// Where keys come from.
pub(super) struct Source {
    client: Client,
    url: Url,
    timeout: Duration,
}

/// Keys, and how long they are good.
pub(super) struct Fetched {
    pub(super) keys: KeySet,
    pub(super) max_age: Option<Duration>,
}

impl Source {
    pub(super) fn new(url: Url, timeout: Duration) -> Result<Self, reqwest::Error> {
        // A redirect could lead anywhere, and an issuer knows its own address.
        let mut builder = Client::builder().connect_timeout(timeout).redirect(Policy::none());
        if is_this_machine(&url) {
            builder = builder.no_proxy();
        }
        Ok(Self {
            client: builder.build()?,
            url,
            timeout,
        })
    }

    pub(super) async fn fetch(&self) -> Result<Fetched, ProviderFailure> {
        let mut operation = Operation {
            provider: "identity".to_owned(),
            kind: ProviderKind::Web,
            name: "keys_fetch",
            timeouts: Timeouts {
                connect: self.timeout,
                first_byte: self.timeout,
                idle: self.timeout,
            },
            request_id: None,
        };
        let late = operation.failure(ProviderFault::Timeout, "no keys within the deadline");
        let mut fetched = match tokio::time::timeout(self.timeout, self.ask(&mut operation)).await {
            Ok(fetched) => fetched,
            Err(_) => Err(late),
        };
        if let Err(failure) = &mut fetched {
            // Whatever is wrong with the issuer, the client's request is fine and may be repeated.
            failure.retryable = true;
        }
        fetched
    }

    async fn ask(&self, operation: &mut Operation) -> Result<Fetched, ProviderFailure> {
        let request = self.client.get(self.url.clone());
        let response = operation.send(request.header(ACCEPT, "application/json")).await?;
        let cache = response.headers().get(CACHE_CONTROL);
        let max_age = cache.and_then(|value| value.to_str().ok()).and_then(max_age);
        let text = operation.body(response).read(BYTES_MAX).await?;
        let unreadable = || operation.failure(ProviderFault::BadResponse, "no set of keys that could check a token");
        let keys = KeySet::read(&text).ok_or_else(unreadable)?;
        Ok(Fetched { keys, max_age })
    }
}

fn max_age(cache_control: &str) -> Option<Duration> {
    let mut directives = cache_control.split(',').map(str::trim);
    let seconds = directives.find_map(|directive| directive.strip_prefix("max-age="))?;
    seconds.parse().ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_that_keys_are_good_is_read_from_among_other_directives() {
        for (header, seconds) in [
            ("max-age=600", Some(600)),
            ("public, max-age=30, must-revalidate", Some(30)),
            ("no-store", None),
            ("max-age=soon", None),
            ("s-maxage=5", None),
        ] {
            assert_eq!(max_age(header), seconds.map(Duration::from_secs), "{header}");
        }
    }
}
