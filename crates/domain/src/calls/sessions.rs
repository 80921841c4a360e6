//! Making a session: the agent's brain, voice and ear, opened for one call.

use std::{sync::Arc, time::Duration};

use contract::{
    AgentCreate, AgentId, Call, CallContext, CallDirection, CallId, CallMetrics, CallStatus, ProviderKind, Timestamp,
    Variables, VoiceId,
};
use serde_json::Map;

use super::{Calls, SessionPlan, SpokenVoice};
use crate::{
    Error, ProviderFailure, ProviderFault,
    billing::Tariff,
    brain,
    events::EventPublisher,
    ports::{BrainSetup, Carrier},
    records::Scope,
    rules,
};

/// Longest wait for a brain to be ready; a caller hears nothing meanwhile.
const OPENING: Duration = Duration::from_secs(10);

impl Calls {
    pub(super) fn carrier(&self) -> Result<&Arc<dyn Carrier>, Error> {
        self.carrier
            .get()
            .ok_or_else(|| Error::internal("place a call", "no carrier is wired"))
    }

    pub(super) async fn plan(
        &self,
        scope: Scope,
        call: Call,
        mut agent: AgentCreate,
        events: EventPublisher,
        tariff: Tariff,
    ) -> Result<SessionPlan, Error> {
        let services = &self.setup.services;
        let voice = self.voice(scope, &agent.voice_id).await?;
        // Settled here, so that the session can name the recogniser in failures.
        let wanted = &*agent
            .transcription_model
            .get_or_insert_with(|| services.default_speech_to_text.clone());
        let speech_to_text =
            services.speech_to_text.get(wanted).cloned().ok_or_else(|| {
                Error::internal("find the recogniser of an agent", format!("{wanted} is not configured"))
            })?;
        let setup = BrainSetup {
            agent: agent.clone(),
            variables: call.variables.clone(),
            now: call.started_at,
        };
        let opening = tokio::time::timeout(OPENING, brain::open_brain(services, setup)).await;
        let brain = opening.map_err(|_| {
            let provider = agent.model.split('/').next().unwrap_or_default();
            ProviderFailure::new(provider, ProviderKind::Llm, "open", ProviderFault::Timeout)
        })??;
        spoken_texts_fill(&mut agent, &call.variables);
        let understudy = self.understudy(&voice);
        Ok(SessionPlan {
            meter: self.setup.billing.meter(scope, call.id, tariff),
            events,
            scope,
            call,
            agent,
            brain,
            speech_to_text,
            voice,
            understudy,
            voice_activity: (services.voice_activity)(),
            end_of_turn: services.end_of_turn.clone(),
            deadlines: self.setup.deadlines,
        })
    }

    async fn voice(&self, scope: Scope, id: &str) -> Result<SpokenVoice, Error> {
        let voice_id: VoiceId = id.parse().map_err(|_| Error::not_found("voice", id))?;
        let voice = self.setup.store.voice_fetch(scope, voice_id).await?;
        let voice = voice.ok_or_else(|| Error::not_found("voice", id))?;
        let engine = self
            .setup
            .services
            .text_to_speech
            .get(&voice.provider)
            .cloned()
            .ok_or_else(|| {
                Error::internal(
                    "find the synthesizer of a voice",
                    format!("{} is not configured", voice.provider),
                )
            })?;
        Ok(SpokenVoice {
            provider: voice.provider,
            text_to_speech: engine,
            voice: voice.provider_voice_id,
        })
    }

    /// Another synthesizer than the voice's own, if the platform brings one.
    fn understudy(&self, voice: &SpokenVoice) -> Option<SpokenVoice> {
        let local = self.setup.services.understudy.as_ref()?;
        (!Arc::ptr_eq(&local.text_to_speech, &voice.text_to_speech)).then(|| local.clone())
    }
}

pub(super) fn new_call(agent_id: AgentId, started_at: Timestamp) -> Call {
    Call {
        id: CallId::new(),
        status: CallStatus::Queued,
        direction: CallDirection::Outbound,
        from_number: None,
        to_number: None,
        agent_id,
        started_at,
        answered_at: None,
        ended_at: None,
        duration_seconds: None,
        end_reason: None,
        cost_credits: None,
        summary: None,
        recording_url: None,
        transcript_url: None,
        metrics: CallMetrics::default(),
        variables: Variables::new(),
        metadata: Map::new(),
        context: CallContext::default(),
    }
}

/// Texts that the session says by itself; the brain fills its own.
fn spoken_texts_fill(agent: &mut AgentCreate, variables: &Variables) {
    if let Some(greeting) = &mut agent.greeting {
        for text in greeting.text.iter_mut().chain(&mut greeting.prompt) {
            *text = rules::fill(text, variables);
        }
    }
    for message in &mut agent.inactivity_messages {
        message.message = rules::fill(&message.message, variables);
    }
}
