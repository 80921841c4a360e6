//! Makes an agent and says what stands in the way of a call: `CALLWRIGHT_URL=… CALLWRIGHT_KEY=… cargo run --example
//! quickstart -- +14155550123`.

use std::env;

use anyhow::Context as _;
use callwright_client::{Client, Reason, VoiceListQuery, contract::AgentCreate};
use serde_json::json;

#[tokio::main]
#[expect(clippy::print_stdout, reason = "an example")]
async fn main() -> anyhow::Result<()> {
    let base = env::var("CALLWRIGHT_URL").unwrap_or_else(|_| "http://127.0.0.1:8080".to_owned());
    let key = env::var("CALLWRIGHT_KEY").context("CALLWRIGHT_KEY is not set")?;
    let to = env::args().nth(1).context("whom to call?")?;
    let client = Client::new(&base, &key)?;

    let voices = client.voice_list(&VoiceListQuery::default()).await?;
    let voice = voices.first().context("the server has no voice")?;
    let agent: AgentCreate = serde_json::from_value(json!({
        "name": "Quickstart",
        "voice_id": voice.id,
        "system_prompt": "You greet people.",
        "greeting": { "text": "Hello from the quickstart." },
    }))?;
    let agent = client.agent_create(&agent).await?;
    println!("agent {} is there", agent.id);

    let call = serde_json::from_value(json!({ "agent_id": agent.id, "phone_number": to }))?;
    match client.call_create(&call).await {
        Ok(call) => println!("call {} is {}", call.id, call.status.name()),
        Err(error) if error.reason() == Some(&Reason::NoOutboundNumber) => {
            println!("the agent needs a number first: import one and assign it");
        }
        Err(error) => println!("{error}"),
    }
    client.agent_delete(agent.id).await?;
    Ok(())
}
