//! Changes, as use cases take them, from the request that asks for one.

use std::sync::Arc;

use contract::Meta;
use domain::{
    Change,
    change::{Answer, AnswerWriter, Precondition, Ticket},
};

use crate::{
    RequestContext,
    envelope::{META_BYTES, end_with_meta},
    gate::Caller,
};

/// What a request says about when it may be carried out; found between the gate and the handler.
#[derive(Clone, Default)]
pub(crate) struct Conditions {
    /// `If-Match`.
    pub(crate) precondition: Precondition,
    /// `Idempotency-Key`.
    pub(crate) ticket: Option<Arc<Ticket>>,
    /// The `Idempotency-Key`, when it means another request.
    pub(crate) reused: Option<String>,
}

impl Caller {
    /// A change that is answered with 200 and the thing as it is then.
    pub(crate) fn change(&self) -> Change {
        self.change_answered(200, None)
    }

    /// A change that makes something, answered with 201; what is made lies at `collection`/id.
    pub(crate) fn creates(&self, collection: &'static str) -> Change {
        self.change_answered(201, Some(format!("{}{collection}", self.base)))
    }

    fn change_answered(&self, status: u16, collection: Option<String>) -> Change {
        let ticket = self.conditions.ticket.clone();
        let writer = ticket.is_some().then(|| {
            Arc::new(Writer {
                status,
                collection,
                context: self.context.clone(),
            }) as Arc<dyn AnswerWriter>
        });
        Change {
            scope: self.scope,
            actor: self.actor.clone(),
            address: Some(self.address),
            request: Some(self.context.id),
            precondition: self.conditions.precondition.clone(),
            ticket,
            reused: self.conditions.reused.clone(),
            writer,
        }
    }
}

/// Writes answers in the shape of [`contract::Envelope`].
struct Writer {
    status: u16,
    collection: Option<String>,
    context: RequestContext,
}

impl AnswerWriter for Writer {
    fn answer(&self, id: &str, data: &[u8]) -> Answer {
        Answer {
            status: self.status,
            location: self.collection.as_ref().map(|collection| format!("{collection}/{id}")),
            body: enveloped(data, self.context.meta()),
        }
    }
}

/// `{data, meta}` round JSON text.
pub(crate) fn enveloped(data: &[u8], meta: Meta) -> Vec<u8> {
    const BEGIN: &[u8] = b"{\"data\":";
    let mut body = Vec::with_capacity(BEGIN.len() + data.len() + META_BYTES);
    body.extend_from_slice(BEGIN);
    body.extend_from_slice(data);
    end_with_meta(&mut body, meta);
    body
}

/// The `data` within what [`enveloped`] wrote.
pub(crate) fn data_of(body: &[u8]) -> Option<&[u8]> {
    const META: &[u8] = b",\"meta\":";
    let data = body.strip_prefix(b"{\"data\":")?;
    // `meta` comes last and holds no such text itself.
    let end = data.windows(META.len()).rposition(|window| window == META)?;
    Some(&data[..end])
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use contract::{Envelope, RequestId, Timestamp};

    use super::*;

    #[test]
    fn an_envelope_is_what_its_type_would_write_and_fits_its_room() {
        for data in [serde_json::json!({"name": "a \"meta\": ,"}), serde_json::json!([])] {
            let (request_id, ts) = (RequestId::new(), Timestamp::from_millis(1_770_206_400_007));
            let meta = Meta { request_id, ts };
            let text = serde_json::to_vec(&data).unwrap();
            let body = enveloped(&text, meta);
            assert_eq!(body, serde_json::to_vec(&Envelope { data, meta }).unwrap());
            assert_eq!((body.capacity(), data_of(&body)), (body.len(), Some(&*text)));
        }
    }
}
