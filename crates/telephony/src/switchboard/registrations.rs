//! Trunks that want us registered: a binding for each, kept fresh, following what the API changes.

use std::{collections::HashMap, time::Duration};

use contract::{Timestamp, TrunkId};
use domain::records::TrunkRecord;
use tokio::time::{MissedTickBehavior, interval};

use super::Switchboard;
use crate::sip::{Registration, RegistrationPlan, SipTarget};

/// How soon a changed trunk is noticed.
const LOOK_EVERY: Duration = Duration::from_secs(15);
/// Lifetime asked for, as common among carriers.
const EXPIRES: Duration = Duration::from_mins(5);

impl Switchboard {
    /// Follows the trunks until the switchboard closes.
    pub(super) async fn keep_registered(self) {
        let mut kept: HashMap<TrunkId, (Timestamp, Registration)> = HashMap::new();
        let mut look = interval(LOOK_EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = self.inner.closing.cancelled() => break,
                _ = look.tick() => {}
            }
            match self.inner.calls.trunks_that_register().await {
                Ok(trunks) => self.reconcile(&mut kept, &trunks).await,
                Err(error) => tracing::error!(%error, "trunks that register could not be listed"),
            }
        }
        for (_, (_, registration)) in kept {
            registration.end().await;
        }
    }

    async fn reconcile(&self, kept: &mut HashMap<TrunkId, (Timestamp, Registration)>, trunks: &[TrunkRecord]) {
        let stale: Vec<TrunkId> = kept
            .iter()
            .filter(|(id, (version, _))| {
                !trunks
                    .iter()
                    .any(|trunk| trunk.trunk.id == **id && trunk.trunk.updated_at == *version)
            })
            .map(|(id, _)| *id)
            .collect();
        for id in stale {
            if let Some((_, registration)) = kept.remove(&id) {
                registration.end().await;
            }
        }
        for trunk in trunks {
            if kept.contains_key(&trunk.trunk.id) {
                continue;
            }
            let Some(plan) = plan(trunk) else { continue };
            match self.inner.endpoint.register(plan) {
                Ok(registration) => {
                    kept.insert(trunk.trunk.id, (trunk.trunk.updated_at, registration));
                }
                Err(error) => tracing::warn!(trunk_id = %trunk.trunk.id, %error, "a trunk can't be registered"),
            }
        }
    }
}

fn plan(trunk: &TrunkRecord) -> Option<RegistrationPlan> {
    let uri = format!("sip:{}:{}", super::bracketed(&trunk.trunk.host), trunk.trunk.port);
    Some(RegistrationPlan {
        registrar: SipTarget {
            uri,
            transport: super::transport(trunk),
        },
        credentials: super::credentials(trunk)?,
        expires: EXPIRES,
    })
}
