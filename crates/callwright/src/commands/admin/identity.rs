//! Keys and members of any organisation, from the machine itself: the way back in when nobody has a key any more.

use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::Subcommand;
use contract::{ApiKeyCreate, ApiKeyCreated, KeyScope, Member, MemberCreate, MemberRole, RateLimits, Timestamp};
use domain::{
    Actor, Change, Error,
    keys::PLATFORM,
    organizations::{Organizations, member_faults},
    records::{Page, Scope},
    rules,
};
use serde_json::json;
use store::SqlStore;

use crate::{
    Settings,
    commands::{line, told},
    platform,
};

/// Records that are asked for at once.
const PAGE: u32 = 100;

#[derive(Subcommand)]
pub(super) enum IdentityCommand {
    /// Create an API key of an organisation. It is shown this once.
    CreateKey {
        #[command(flatten)]
        settings: Settings,
        /// Id of the organisation.
        #[arg(long, value_name = "ID")]
        organization: String,
        /// For people.
        #[arg(long)]
        name: String,
        /// What it may do: read, write or admin.
        #[arg(long = "scope", value_name = "SCOPE", value_parser = scope, default_values = ["read", "write"])]
        scopes: Vec<KeyScope>,
        /// A network from which it may be used; from anywhere without.
        #[arg(long = "allow", value_name = "CIDR")]
        ip_allowlist: Vec<String>,
        /// When it stops working, such as 2027-01-01T00:00:00Z; never without.
        #[arg(long, value_name = "TIME", value_parser = time)]
        expires_at: Option<Timestamp>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// List the API keys of an organisation; their records, never the keys.
    ListKeys {
        #[command(flatten)]
        settings: Settings,
        /// Id of the organisation.
        #[arg(long, value_name = "ID")]
        organization: String,
    },
    /// Revoke an API key. It stops working at once.
    RevokeKey {
        #[command(flatten)]
        settings: Settings,
        /// Id of the organisation.
        #[arg(long, value_name = "ID")]
        organization: String,
        /// Id of the key's record.
        id: String,
    },
    /// Add a member to an organisation; also the way to its first owner.
    AddMember {
        #[command(flatten)]
        settings: Settings,
        /// Id of the organisation.
        #[arg(long, value_name = "ID")]
        organization: String,
        /// Who it is: the subject of their tokens.
        #[arg(long)]
        subject: String,
        /// What they may do: viewer, member, admin or owner.
        #[arg(long, value_parser = role)]
        role: MemberRole,
        /// For people.
        #[arg(long)]
        name: Option<String>,
    },
    /// List the members of an organisation.
    ListMembers {
        #[command(flatten)]
        settings: Settings,
        /// Id of the organisation.
        #[arg(long, value_name = "ID")]
        organization: String,
    },
}

#[derive(Subcommand)]
pub(super) enum OperatorKeyCommand {
    /// Create a key that runs the platform (`/api/operator/v1`). It is shown this once; no other way makes one.
    CreateOperatorKey {
        #[command(flatten)]
        settings: Settings,
        /// For people.
        #[arg(long, default_value = "Operator")]
        name: String,
        /// A network from which it may be used; from anywhere without.
        #[arg(long = "allow", value_name = "CIDR")]
        ip_allowlist: Vec<String>,
        /// When it stops working, such as 2027-01-01T00:00:00Z; never without.
        #[arg(long, value_name = "TIME", value_parser = time)]
        expires_at: Option<Timestamp>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// List the keys that run the platform; their records, never the keys.
    ListOperatorKeys {
        #[command(flatten)]
        settings: Settings,
    },
    /// Revoke a key that runs the platform. It stops working at once.
    RevokeOperatorKey {
        #[command(flatten)]
        settings: Settings,
        /// Id of the key's record.
        id: String,
    },
}

impl OperatorKeyCommand {
    fn settings(&self) -> &Settings {
        match self {
            Self::CreateOperatorKey { settings, .. }
            | Self::ListOperatorKeys { settings }
            | Self::RevokeOperatorKey { settings, .. } => settings,
        }
    }

    pub(super) async fn run(self) -> Result<ExitCode> {
        let config = self.settings().load(Vec::new())?;
        let store = match self {
            Self::CreateOperatorKey { .. } => platform::open_store(&config).await?,
            Self::ListOperatorKeys { .. } | Self::RevokeOperatorKey { .. } => {
                platform::open_present_store(&config).await?
            }
        };
        let done = self.done(Work::inside(&store, Scope { organization: PLATFORM })).await;
        store.close().await;
        done.map_err(told)
    }

    async fn done(self, work: Work) -> Result<ExitCode, Error> {
        match self {
            Self::CreateOperatorKey {
                name,
                ip_allowlist,
                expires_at,
                json,
                ..
            } => {
                let create = ApiKeyCreate {
                    ip_allowlist,
                    expires_at,
                    ..ApiKeyCreate::named(name, vec![KeyScope::Operator])
                };
                let created = work.keys.operator_key_create(create).await?;
                Ok(said_key("operator key", &created, json))
            }
            Self::ListOperatorKeys { .. } => work.list_keys().await,
            Self::RevokeOperatorKey { id, .. } => work.revoke_key(&id).await,
        }
    }
}

impl IdentityCommand {
    fn settings(&self) -> &Settings {
        match self {
            Self::CreateKey { settings, .. }
            | Self::ListKeys { settings, .. }
            | Self::RevokeKey { settings, .. }
            | Self::AddMember { settings, .. }
            | Self::ListMembers { settings, .. } => settings,
        }
    }

    fn organization(&self) -> &str {
        match self {
            Self::CreateKey { organization, .. }
            | Self::ListKeys { organization, .. }
            | Self::RevokeKey { organization, .. }
            | Self::AddMember { organization, .. }
            | Self::ListMembers { organization, .. } => organization,
        }
    }
}

pub(super) async fn run(command: IdentityCommand) -> Result<ExitCode> {
    let store = platform::open_present_store(&command.settings().load(Vec::new())?).await?;
    let done = Work::on(&store, command.organization()).await;
    let done = match done {
        Ok(work) => work.run(command).await,
        Err(error) => Err(error),
    };
    store.close().await;
    done.map_err(told)
}

/// Makes an organisation, shows its key, and adds its first owner. The key is shown whatever becomes of the owner: it
/// can't be shown again.
pub(super) async fn create_org(
    store: &std::sync::Arc<SqlStore>,
    name: &str,
    owner: Option<String>,
    as_json: bool,
) -> Result<ExitCode> {
    let owner = owner.map(|subject| MemberCreate {
        subject,
        name: None,
        role: MemberRole::Owner,
    });
    let faults = owner.as_ref().map(member_faults).unwrap_or_default();
    rules::checked(faults).map_err(told)?;
    let (organization, key) = platform::keys(store).organization_create(name).await.map_err(told)?;
    if as_json {
        line(&json!({ "organization_id": organization.id, "api_key": key }).to_string());
    } else {
        line(&format!(
            "organisation {} ({name})\nAPI key      {key}\nThe key can't be shown again.",
            organization.id
        ));
    }
    let Some(owner) = owner else {
        return Ok(ExitCode::SUCCESS);
    };
    let scope = Scope {
        organization: organization.id,
    };
    let work = Work::inside(store, scope);
    let added = work
        .organizations
        .member_create(&work.change, MemberRole::Owner, owner)
        .await;
    added
        .map_err(told)
        .context("the organisation stands without its owner; add one with `admin add-member`")?;
    Ok(ExitCode::SUCCESS)
}

struct Work {
    keys: domain::keys::Keys,
    organizations: Organizations,
    scope: Scope,
    change: Change,
}

impl Work {
    async fn on(store: &std::sync::Arc<SqlStore>, organization: &str) -> Result<Self, Error> {
        let organizations = platform::organizations(store);
        let organization = organizations.organization_of_all(organization).await?.id;
        Ok(Self::inside(store, Scope { organization }))
    }

    fn inside(store: &std::sync::Arc<SqlStore>, scope: Scope) -> Self {
        Self {
            keys: platform::keys(store),
            organizations: platform::organizations(store),
            scope,
            change: Change::by(scope, Actor::command_line()),
        }
    }

    async fn run(self, command: IdentityCommand) -> Result<ExitCode, Error> {
        match command {
            IdentityCommand::CreateKey {
                name,
                scopes,
                ip_allowlist,
                expires_at,
                json,
                ..
            } => {
                let create = ApiKeyCreate {
                    name,
                    scopes,
                    ip_allowlist,
                    rate_limits: RateLimits::default(),
                    expires_at,
                };
                self.create_key(create, json).await
            }
            IdentityCommand::ListKeys { .. } => self.list_keys().await,
            IdentityCommand::RevokeKey { id, .. } => self.revoke_key(&id).await,
            IdentityCommand::AddMember {
                subject, role, name, ..
            } => {
                let member = self.add_member(subject, role, name).await?;
                let text = format!(
                    "member {} ({}) is {} now",
                    member.id,
                    member.subject,
                    member.role.name()
                );
                Ok(said(&text))
            }
            IdentityCommand::ListMembers { .. } => self.list_members().await,
        }
    }

    async fn create_key(&self, create: ApiKeyCreate, as_json: bool) -> Result<ExitCode, Error> {
        let created = self.keys.key_create(&self.change, create).await?;
        Ok(said_key("key", &created, as_json))
    }

    async fn revoke_key(&self, id: &str) -> Result<ExitCode, Error> {
        self.keys.key_revoke(&self.change, id).await?;
        Ok(said(&format!("API key {id} no longer works")))
    }

    async fn list_keys(&self) -> Result<ExitCode, Error> {
        let mut page = first_page();
        loop {
            let keys = self.keys.key_list(self.scope, page).await?.items;
            for key in &keys {
                let scopes: Vec<_> = key.scopes.iter().map(|scope| scope.name()).collect();
                let state = if key.revoked_at.is_some() { "revoked" } else { "active" };
                line(&format!(
                    "{}  {}…  {:7}  {}  {}",
                    key.id,
                    key.prefix,
                    state,
                    scopes.join(","),
                    key.name
                ));
            }
            let Some(last) = keys.last().filter(|_| keys.len() == PAGE as usize) else {
                return Ok(ExitCode::SUCCESS);
            };
            page.before = Some(last.id.0);
        }
    }

    async fn add_member(&self, subject: String, role: MemberRole, name: Option<String>) -> Result<Member, Error> {
        let create = MemberCreate { subject, name, role };
        // Who is at the machine's own command line may make owners.
        let authority = MemberRole::Owner;
        self.organizations.member_create(&self.change, authority, create).await
    }

    async fn list_members(&self) -> Result<ExitCode, Error> {
        let mut page = first_page();
        loop {
            let members = self.organizations.member_list(self.scope, page).await?.items;
            for member in &members {
                line(&format!("{}  {:6}  {}", member.id, member.role.name(), member.subject));
            }
            let Some(last) = members.last().filter(|_| members.len() == PAGE as usize) else {
                return Ok(ExitCode::SUCCESS);
            };
            page.before = Some(last.id.0);
        }
    }
}

fn first_page() -> Page {
    Page {
        limit: PAGE,
        offset: 0,
        before: None,
    }
}

fn said_key(what: &str, created: &ApiKeyCreated, as_json: bool) -> ExitCode {
    if as_json {
        return said(&json!({ "id": created.record.id, "api_key": created.key }).to_string());
    }
    said(&format!(
        "{what:12} {} ({})\nAPI key      {}\nThe key can't be shown again.",
        created.record.id, created.record.name, created.key
    ))
}

fn said(text: &str) -> ExitCode {
    line(text);
    ExitCode::SUCCESS
}

fn scope(text: &str) -> Result<KeyScope, String> {
    let all = [KeyScope::Read, KeyScope::Write, KeyScope::Admin];
    let found = all.into_iter().find(|scope| scope.name() == text);
    found.ok_or_else(|| "one of read, write, admin".to_owned())
}

fn role(text: &str) -> Result<MemberRole, String> {
    let found = MemberRole::ALL.into_iter().find(|role| role.name() == text);
    found.ok_or_else(|| "one of viewer, member, admin, owner".to_owned())
}

fn time(text: &str) -> Result<Timestamp, String> {
    serde_json::from_value(text.into()).map_err(|_| "a time such as 2027-01-01T00:00:00Z".to_owned())
}
