//! Keeping a binding fresh at a registrar, for trunks that want one.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use rsipstack::{
    dialog::registration::{Registration as EngineRegistration, backoff_interval, refresh_interval},
    sip::{Param, Uri, typed},
};
use tokio::{sync::watch, task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;

use super::{
    Credentials, SipError, SipTarget, SipTransport,
    endpoint::{Shared, engine_credential},
    leg::{error_kind, is_success},
    uri::{self, Destination},
};

/// How long a registrar may take, challenge included.
const ANSWER_WITHIN: Duration = Duration::from_secs(35);
/// How long the farewell may take.
const FAREWELL_WITHIN: Duration = Duration::from_secs(3);

/// Where and as whom to register.
#[derive(Clone, Debug)]
pub struct RegistrationPlan {
    /// The registrar, for example `sip:trunk.example`.
    pub registrar: SipTarget,
    /// Account at the registrar; its user name is also the address of record.
    pub credentials: Credentials,
    /// Lifetime to ask for; the registrar may grant less.
    pub expires: Duration,
}

/// How a registration stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RegistrationState {
    /// The first answer is awaited.
    Pending,
    /// The registrar has our address.
    Registered,
    /// The registrar said no; tried again with growing pauses.
    Rejected(u16),
    /// No answer; tried again with growing pauses.
    Unreachable(String),
}

/// A binding that is kept fresh. Dropping it stops refreshing without a farewell.
#[derive(Debug)]
pub struct Registration {
    state: watch::Receiver<RegistrationState>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Registration {
    pub(crate) fn start(shared: &Arc<Shared>, plan: RegistrationPlan) -> Result<Self, SipError> {
        let destination = Destination::parse(&plan.registrar)?;
        let stop = shared.closing.child_token();
        let (publish, state) = watch::channel(RegistrationState::Pending);
        let task = shared
            .services
            .spawn(keep(Arc::clone(shared), plan, destination.uri, publish, stop.clone()));
        Ok(Self { state, stop, task })
    }

    /// How it stands, now and as it changes.
    pub fn state(&self) -> watch::Receiver<RegistrationState> {
        self.state.clone()
    }

    /// Withdraws the binding and stops.
    pub async fn end(mut self) {
        self.stop.cancel();
        timeout(FAREWELL_WITHIN + Duration::from_secs(1), &mut self.task)
            .await
            .ok();
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn keep(
    shared: Arc<Shared>,
    plan: RegistrationPlan,
    registrar: Uri,
    publish: watch::Sender<RegistrationState>,
    stop: CancellationToken,
) {
    let expires = u32::try_from(plan.expires.as_secs()).unwrap_or(3600).max(60);
    let mut registration = EngineRegistration::new(
        Arc::clone(&shared.engine),
        Some(engine_credential(plan.credentials.clone())),
    );
    let mut failures = 0;
    loop {
        let state = tokio::select! {
            () = stop.cancelled() => break,
            state = attempt(&shared, &plan, &registrar, &mut registration, expires) => state,
        };
        let pause = if state == RegistrationState::Registered {
            failures = 0;
            refresh_interval(registration.expires().clamp(1, expires))
        } else {
            failures += 1;
            backoff_interval(failures - 1)
        };
        publish.send_replace(state);
        tokio::select! {
            () = stop.cancelled() => break,
            () = tokio::time::sleep(pause) => {}
        }
    }
    if *publish.borrow() == RegistrationState::Registered {
        timeout(FAREWELL_WITHIN, Box::pin(registration.register(registrar, Some(0))))
            .await
            .ok();
    }
}

/// Where the registrar is, with a stream to it where it wants one.
async fn reach(shared: &Shared, plan: &RegistrationPlan) -> Result<SocketAddr, SipError> {
    let destination = Destination::parse(&plan.registrar)?;
    let (address, peer) = shared.resolve(&destination).await?;
    shared.connect(&address).await?;
    Ok(peer)
}

async fn attempt(
    shared: &Shared,
    plan: &RegistrationPlan,
    registrar: &Uri,
    registration: &mut EngineRegistration,
    expires: u32,
) -> RegistrationState {
    let peer = match reach(shared, plan).await {
        Ok(peer) => peer,
        Err(error) => return RegistrationState::Unreachable(error.to_string()),
    };
    if plan.registrar.transport == SipTransport::Tcp {
        // By the stream that was opened, whatever the name resolves to next.
        registration.outbound_proxy = Some(peer);
    }
    if registration.contact.is_none() {
        let mut uri = uri::contact(
            &plan.credentials.username,
            shared.address_for(peer),
            plan.registrar.transport,
        );
        uri.params.retain(|param| matches!(param, Param::Transport(_)));
        registration.contact = Some(typed::Contact {
            display_name: None,
            uri,
            params: vec![],
        });
    }
    match timeout(
        ANSWER_WITHIN,
        Box::pin(registration.register(registrar.clone(), Some(expires))),
    )
    .await
    {
        Ok(Ok(response)) if is_success(&response) => RegistrationState::Registered,
        Ok(Ok(response)) => RegistrationState::Rejected(response.status_code.into()),
        Ok(Err(error)) => RegistrationState::Unreachable(error_kind(&error)),
        Err(_) => RegistrationState::Unreachable("it did not answer in time".to_owned()),
    }
}
