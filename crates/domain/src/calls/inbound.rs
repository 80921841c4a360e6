//! Taking a call: whose number it is, and whether its agent may.

use contract::{AgentStatus, Call, CallDirection, CallStatus, Variables};

use super::{Calls, Refusal, SessionPlan, sessions::new_call};
use crate::{
    Alongside, Error,
    ports::{Admission, StoreError},
    records::{InboundNumber, Scope},
    rules,
};

impl Calls {
    /// Whose number was dialled; digits without `+` are taken as international.
    pub async fn inbound_lookup(&self, dialled: &str) -> Result<Option<InboundNumber>, Error> {
        let phone = rules::e164(dialled).or_else(|| rules::e164(&format!("+{dialled}")));
        match phone {
            Some(phone) => Ok(self.setup.store.number_by_phone(&phone).await?),
            None => Ok(None),
        }
    }

    /// Takes an inbound call, limits first, and says what its session needs.
    pub async fn inbound_admit(&self, number: &InboundNumber, from: String) -> Result<SessionPlan, Refusal> {
        let scope = Scope {
            organization: number.organization,
        };
        let agent_id = number.number.inbound_agent_id.ok_or(Refusal::NobodyHome)?;
        let agent = self
            .setup
            .store
            .agent_fetch(scope, agent_id)
            .await
            .map_err(broken)?
            .ok_or(Refusal::NobodyHome)?;
        if agent.settings.status != AgentStatus::Active {
            return Err(Refusal::NobodyHome);
        }
        let variables = Variables::from([
            ("caller_number".to_owned(), from.clone()),
            ("called_number".to_owned(), number.number.phone_number.clone()),
        ]);
        let call = Call {
            direction: CallDirection::Inbound,
            status: CallStatus::Ringing,
            from_number: Some(from),
            to_number: Some(number.number.phone_number.clone()),
            variables,
            ..new_call(agent_id, self.now())
        };
        let id = call.id;
        // Watchable before it exists, so nobody who finds the row finds it silent.
        let events = self.events.open(scope.organization, id);
        // The row before the models: at the cap a caller is turned away before any work is done for it.
        let limit = self.calls_max(scope).await.map_err(Refusal::Broken)?;
        let billing = &self.setup.billing;
        let (tariff, _) = billing
            .call_tariff(scope, call.direction)
            .await
            .map_err(Refusal::Broken)?;
        let taken = self
            .setup
            .store
            .call_create(scope, &call, limit, &tariff, &Alongside::nothing())
            .await
            .map_err(broken)?;
        match taken {
            Admission::Created => {}
            Admission::Full => return Err(Refusal::Full),
            Admission::Unpaid { .. } => return Err(Refusal::Unpaid),
        }
        match self.plan(scope, call, agent.settings, events, tariff).await {
            Ok(plan) => Ok(plan),
            Err(error) => {
                self.call_broke(scope, id, &error).await;
                Err(Refusal::Broken(error))
            }
        }
    }
}

fn broken(error: StoreError) -> Refusal {
    Refusal::Broken(error.into())
}
