//! What becomes of each request that starts a transaction.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use rsipstack::{
    dialog::{DialogId, dialog::Dialog},
    sip::{
        Header, Method, Request, StatusCode, headers,
        prelude::{HeadersExt, ToTypedHeader},
    },
    transaction::{TransactionReceiver, transaction::Transaction},
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    time::timeout,
};

use super::{
    IncomingCall, SipTransport,
    endpoint::Shared,
    incoming::Inner,
    leg::{ALLOW, EVENTS_MAX, Leg, Signals, capabilities},
    uri,
};

/// Requests handled at once; more are answered 503.
const HANDLERS_MAX: usize = 4096;
/// Dialogs at once, refused calls included while they end; the rule of admission is the owner's.
const DIALOGS_MAX: usize = 8192;
/// How long a refusal may take to be sent.
const REFUSAL_WITHIN: Duration = Duration::from_secs(1);
/// Longer than any transaction lives in the engine.
const HANDLER_LIFETIME: Duration = Duration::from_mins(5);

/// Serves requests until the endpoint is shut down.
pub(crate) async fn run(shared: Arc<Shared>, mut transactions: TransactionReceiver) {
    let handlers = Arc::new(Semaphore::new(HANDLERS_MAX));
    loop {
        let transaction = tokio::select! {
            () = shared.cancel.cancelled() => return,
            transaction = transactions.recv() => transaction,
        };
        let Some(mut transaction) = transaction else { return };
        let Ok(permit) = Arc::clone(&handlers).try_acquire_owned() else {
            // Nobody waits for the others to be told no.
            let refusal = async move { transaction.reply(StatusCode::ServiceUnavailable).await.ok() };
            tokio::spawn(timeout(REFUSAL_WITHIN, refusal));
            continue;
        };
        dispatch(&shared, transaction, permit);
    }
}

fn dispatch(shared: &Arc<Shared>, transaction: Transaction, permit: OwnedSemaphorePermit) {
    let in_dialog = transaction
        .original
        .to_header()
        .is_ok_and(|to| matches!(to.tag(), Ok(Some(_))));
    if in_dialog {
        match shared.layer.match_dialog(&transaction) {
            Some(Dialog::Invite(dialog)) => spawn(permit, async move { serve_dialog(dialog, transaction).await }),
            _ => reply(permit, transaction, StatusCode::CallTransactionDoesNotExist, vec![]),
        }
        return;
    }
    match transaction.original.method {
        Method::Invite => take_call(shared, transaction, permit),
        Method::Options => reply(permit, transaction, StatusCode::OK, capabilities()),
        Method::Ack => {}
        Method::Bye | Method::Cancel | Method::PRack | Method::Update => {
            reply(permit, transaction, StatusCode::CallTransactionDoesNotExist, vec![]);
        }
        Method::Info
        | Method::Message
        | Method::Notify
        | Method::Publish
        | Method::Refer
        | Method::Register
        | Method::Subscribe => {
            reply(
                permit,
                transaction,
                StatusCode::MethodNotAllowed,
                vec![Header::Allow(ALLOW.into())],
            );
        }
    }
}

fn spawn(permit: OwnedSemaphorePermit, work: impl Future<Output = ()> + Send + 'static) {
    tokio::spawn(async move {
        timeout(HANDLER_LIFETIME, work).await.ok();
        drop(permit);
    });
}

fn reply(permit: OwnedSemaphorePermit, mut transaction: Transaction, status: StatusCode, headers: Vec<Header>) {
    spawn(permit, async move {
        transaction.reply_with(status, headers, None).await.ok();
        // An INVITE's refusal is repeated until its ACK comes.
        if transaction.original.method == Method::Invite {
            while transaction.receive().await.is_some() {}
        }
    });
}

/// A request within a known dialog. What the engine leaves unanswered gets a 500, so nobody waits for long.
async fn serve_dialog(mut dialog: rsipstack::dialog::invite_dialog::InviteDialog, mut transaction: Transaction) {
    if let Err(error) = Box::pin(dialog.handle(&mut transaction)).await {
        tracing::debug!(error = %super::leg::error_kind(&error), "request within a dialog failed");
    }
    if transaction.last_response.is_none() && transaction.original.method != Method::Ack {
        transaction.reply(StatusCode::ServerInternalError).await.ok();
    }
}

fn take_call(shared: &Arc<Shared>, transaction: Transaction, permit: OwnedSemaphorePermit) {
    if let Some((status, headers)) = refusal(shared, &transaction.original) {
        return reply(permit, transaction, status, headers);
    }
    let Some((source, transport)) = origin(&transaction) else {
        return reply(permit, transaction, StatusCode::BadRequest, vec![]);
    };
    let to_user = uri::user_of(&transaction.original.uri);
    let contact = uri::contact(&to_user, shared.address_for(source), transport);
    let (states_sender, states) = shared.layer.new_dialog_state_channel();
    let created = shared
        .layer
        .get_or_create_server_invite(&transaction, states_sender, None, Some(contact));
    let Ok(dialog) = created else {
        return reply(permit, transaction, StatusCode::BadRequest, vec![]);
    };
    let signals = Signals::new(&shared.closing);
    let (events_sender, events) = mpsc::channel(EVENTS_MAX);
    let leg = Leg {
        dialog: dialog.clone(),
        layer: Arc::clone(&shared.layer),
        states,
        events: events_sender,
        signals: Arc::clone(&signals),
        user_agent: shared.config.user_agent.clone(),
    };
    shared.legs.spawn(leg.run_incoming());

    let call = IncomingCall {
        source,
        transport,
        from: caller(&transaction.original),
        to_user,
        call_id: DialogId::try_from(&transaction)
            .map(|id| id.call_id)
            .unwrap_or_default(),
        offer: (!transaction.original.body.is_empty())
            .then(|| String::from_utf8_lossy(&transaction.original.body).into_owned()),
        inner: Inner {
            dialog: dialog.clone(),
            request: transaction.original.clone(),
            responder: transaction.tu_sender.clone(),
            signals,
            events,
            nonces: Arc::clone(&shared.nonces),
            realm: shared.config.realm.clone(),
            user_agent: shared.config.user_agent.clone(),
        },
    };
    spawn(permit, async move { serve_invite(dialog, transaction).await });
    hand_over(shared, call);
}

/// Drives the INVITE's transaction: sends 100 at once, and later what the call's owner decides.
async fn serve_invite(mut dialog: rsipstack::dialog::invite_dialog::InviteDialog, mut transaction: Transaction) {
    if let Err(error) = Box::pin(dialog.handle(&mut transaction)).await {
        tracing::debug!(error = %super::leg::error_kind(&error), "invite failed");
    }
}

fn hand_over(shared: &Arc<Shared>, call: IncomingCall) {
    if let Err(refused) = shared.incoming.try_send(call) {
        metrics::counter!("callwright_sip_dropped_total", "why" => "queue_full").increment(1);
        let call = match refused {
            mpsc::error::TrySendError::Full(call) | mpsc::error::TrySendError::Closed(call) => call,
        };
        tokio::spawn(call.reject(503));
    }
}

/// Reasons to refuse an INVITE before anybody looks at it.
fn refusal(shared: &Shared, request: &Request) -> Option<(StatusCode, Vec<Header>)> {
    if shared.closing.is_cancelled() || shared.layer.len() >= DIALOGS_MAX {
        return Some((StatusCode::ServiceUnavailable, vec![Header::RetryAfter("10".into())]));
    }
    let unknown: Vec<String> = request
        .headers
        .iter()
        .filter_map(required)
        .flat_map(extensions)
        .filter(|tag| tag != "timer")
        .collect();
    if !unknown.is_empty() {
        return Some((
            StatusCode::BadExtension,
            vec![Header::Unsupported(unknown.join(", ").into())],
        ));
    }
    let is_sdp = request.headers.iter().all(|header| match header {
        Header::ContentType(kind) => kind.value().trim().to_ascii_lowercase().starts_with("application/sdp"),
        _ => true,
    });
    if !request.body.is_empty() && !is_sdp {
        return Some((
            StatusCode::UnsupportedMediaType,
            vec![Header::Accept("application/sdp".into())],
        ));
    }
    None
}

fn required(header: &Header) -> Option<&headers::Require> {
    match header {
        Header::Require(value) => Some(value),
        _ => None,
    }
}

fn extensions(value: &headers::Require) -> Vec<String> {
    value
        .value()
        .split(',')
        .map(|tag| tag.trim().to_ascii_lowercase())
        .filter(|tag| !tag.is_empty())
        .collect()
}

fn origin(transaction: &Transaction) -> Option<(SocketAddr, SipTransport)> {
    let connection = transaction.connection.as_ref()?;
    let transport = match connection.transport() {
        rsipstack::sip::Transport::Udp => SipTransport::Udp,
        _ => SipTransport::Tcp,
    };
    let source = connection.get_remote_addr()?.get_socketaddr().ok()?;
    Some((source, transport))
}

fn caller(request: &Request) -> String {
    let Some(from) = request.from_header().ok().and_then(|from| from.clone().typed().ok()) else {
        return String::new();
    };
    let user = uri::user_of(&from.uri);
    if user.is_empty() {
        from.uri.host_with_port.host.to_string()
    } else {
        user
    }
}
