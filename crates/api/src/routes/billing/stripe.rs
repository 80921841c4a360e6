//! `POST /api/billing/stripe/webhook`

use std::{net::IpAddr, time::Duration};

use axum::{
    Extension,
    extract::{Request, State},
    response::Response,
};
use contract::{Envelope, Reason};
use domain::{
    billing::{BillingEvent, Delivery, EventRefusal, Taken},
    keys::MayBeGood,
};
use hyper::HeaderMap;
use serde::Serialize;
use tokio::time::timeout;
use utoipa_axum::routes;

use crate::{App, Problem, RequestContext, extract::collect, gate::source_address, operation::Operation, reply};

/// Stripe's name for the header.
const SIGNATURE: &str = "stripe-signature";

/// Route, document and errors.
pub(super) fn operation() -> Operation {
    Operation::signed(
        routes!(stripe_webhook),
        &[
            Reason::MissingCredentials,
            Reason::MalformedCredentials,
            Reason::InvalidToken,
            Reason::ExpiredToken,
            Reason::AuthenticationAttempts,
            Reason::MalformedJson,
            Reason::BodyTooLarge,
            Reason::RequestTimeout,
            Reason::RouteNotFound,
        ],
    )
}

/// What became of an event.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct Receipt {
    /// `applied`; `repeated`: it was taken before; `waiting`: its customer is nobody's yet; `ignored`: it is of a kind
    /// that does not concern us.
    #[schema(example = "applied")]
    outcome: &'static str,
}

/// Take an event from Stripe
///
/// For Stripe alone, which signs what it sends (`Stripe-Signature`). Every event is taken once, in whatever order events come.
#[utoipa::path(
    post,
    path = "/api/billing/stripe/webhook",
    tag = "Billing",
    params(("Stripe-Signature" = String, Header, description = "Stripe's signature of the body and of when it was sent")),
    request_body(content = Object, description = "An event as Stripe writes it", content_type = "application/json"),
    responses((status = 200, description = "It was taken", body = Envelope<Receipt>)),
)]
pub(crate) async fn stripe_webhook(
    State(app): State<App>,
    Extension(context): Extension<RequestContext>,
    request: Request,
) -> Result<Response, Problem> {
    let deadline = Duration::from_millis(app.config().request_timeout_ms);
    let taken = timeout(deadline, take(&app, &context, request)).await;
    let outcome = taken.unwrap_or_else(|_| Err(Problem::timeout(format!("no answer within {deadline:?}"))))?;
    Ok(reply::data_without_caller(&context, Receipt { outcome }))
}

/// Anybody can send something that says it is an event, so it costs little until its signature was checked.
async fn take(app: &App, context: &RequestContext, request: Request) -> Result<&'static str, Problem> {
    let Some(provider) = &app.parts().billing_events else {
        return Err(Problem::new(Reason::RouteNotFound, "There is no such route."));
    };
    let address = source_address(app, context, &request);
    context.comes_from(address);
    let signature = signature_of(request.headers());
    if signature.is_none() {
        // Costs nothing, and is no attempt, as requests without a key are none.
        return Err(refusal(EventRefusal::Unsigned));
    }
    let form = provider.looks_signed(signature.as_deref());
    let may_be_good = if form.is_ok() {
        MayBeGood::Perhaps
    } else {
        MayBeGood::Hardly
    };
    app.attempts().check(address, || may_be_good, &**app.clock())?;
    if let Err(refused) = form {
        return Err(counted(app, address, refused).await);
    }
    let body = {
        let _place = app.load().read_unknown(address)?;
        collect(request.into_body(), app).await?
    };
    match provider.read(signature.as_deref(), &body, app.clock().now()) {
        Err(refused) => Err(counted(app, address, refused).await),
        Ok(None) => Ok("ignored"),
        Ok(Some(event)) => {
            let delivery = Delivery {
                address: Some(address),
                request: Some(context.id),
            };
            taken(app, &event, delivery).await
        }
    }
}

/// Counts a refusal against the sender, unless it is Stripe.
async fn counted(app: &App, address: IpAddr, refused: EventRefusal) -> Problem {
    if matches!(refused, EventRefusal::Unreadable { .. }) {
        return refusal(refused);
    }
    let told_to_wait = app.attempts().failed(address, app.clock().now()).await;
    told_to_wait.err().unwrap_or_else(|| refusal(refused))
}

/// Text that is no text is a signature that can't be read.
fn signature_of(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(SIGNATURE)?;
    Some(value.to_str().unwrap_or_default().to_owned())
}

async fn taken(app: &App, event: &BillingEvent, delivery: Delivery) -> Result<&'static str, Problem> {
    Ok(match app.billing().event_take(event, delivery).await? {
        Taken::Applied => "applied",
        Taken::Repeated => "repeated",
        Taken::Waiting => "waiting",
    })
}

fn refusal(refusal: EventRefusal) -> Problem {
    let (reason, message) = match refusal {
        EventRefusal::Unsigned => (
            Reason::MissingCredentials,
            "The event is not signed: there is no header `Stripe-Signature`.",
        ),
        EventRefusal::Malformed => (
            Reason::MalformedCredentials,
            "The header `Stripe-Signature` does not hold a time and a signature.",
        ),
        EventRefusal::Forged => (
            Reason::InvalidToken,
            "The signature in the header `Stripe-Signature` does not fit the body.",
        ),
        EventRefusal::Expired => (
            Reason::ExpiredToken,
            "The signature in the header `Stripe-Signature` was not made just now.",
        ),
        EventRefusal::Unreadable { line, column } => {
            return Problem::new(Reason::MalformedJson, "The event is not JSON.")
                .with("line", line)
                .with("column", column);
        }
    };
    Problem::badly_signed(reason, message)
}
