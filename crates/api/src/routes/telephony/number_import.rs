//! `POST /telephony/numbers/import`

use axum::{extract::State, response::Response};
use contract::{Envelope, KeyScope, Number, NumberImport, Reason};
use utoipa_axum::routes;

use crate::{App, Problem, extract::ApiJson, gate::Caller, operation::Operation};

/// Route, document, scope and errors.
pub(super) fn operation() -> Operation {
    Operation::new(
        KeyScope::Write,
        routes!(number_import),
        &[
            Reason::ResourceNotFound,
            Reason::NumberInUse,
            Reason::UnsupportedProvider,
        ],
    )
}

/// Import a number
///
/// Makes a number known that a trunk brings.
#[utoipa::path(
    post,
    path = "/telephony/numbers/import",
    tag = "Telephony",
    request_body = NumberImport,
    responses((status = 201, description = "The number", body = Envelope<Number>, headers(("Location" = String, description = "Where it is")))),
)]
pub(crate) async fn number_import(
    caller: Caller,
    State(app): State<App>,
    ApiJson(body): ApiJson<NumberImport>,
) -> Result<Response, Problem> {
    let number = app
        .telephony()
        .number_import(&caller.creates("/telephony/numbers"), body)
        .await?;
    Ok(caller.created(&format!("/telephony/numbers/{}", number.id), number))
}
