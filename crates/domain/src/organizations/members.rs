//! Members: who belongs to an organisation, and as what.
//!
//! Administrators manage members; who is an owner is for owners to say, and for those who run the platform. So an
//! administrator, or a key of theirs, can't make themselves one. An organisation that has an owner keeps one.

use contract::{FieldFault, FieldReason, Member, MemberCreate, MemberId, MemberRole, MemberUpdate, Reason};

use super::Organizations;
use crate::{
    Change, Error,
    change::{SWAPS_MAX, deleted_before},
    records::{Listing, MemberChanged, Page, Scope, Versioned},
    rules,
};

/// No token has a longer one.
const SUBJECT_CHARS_MAX: usize = 255;

impl Organizations {
    /// Adds a member. `authority` is the role of who asks; a key has at most an administrator's.
    pub async fn member_create(
        &self,
        change: &Change,
        authority: MemberRole,
        create: MemberCreate,
    ) -> Result<Member, Error> {
        rules::checked(member_faults(&create))?;
        may_touch(authority, create.role)?;
        let now = self.clock.now();
        let member = Member {
            id: MemberId::new(),
            subject: create.subject,
            name: create.name,
            role: create.role,
            created_at: now,
            updated_at: now,
        };
        let with = change.note(now, "member.added", "member", member.id)?;
        let with = change.answered(with, &member)?;
        if !self.store.member_create(change.scope, &member, &with).await? {
            let message = "There is a member with this subject already.";
            let fault = FieldFault::in_body("/subject", FieldReason::Duplicate, message);
            return Err(Error::Invalid(vec![fault]));
        }
        change.stored(with);
        Ok(member)
    }

    /// One member.
    pub async fn member_fetch(&self, scope: Scope, id: &str) -> Result<Member, Error> {
        Ok(self.member_versioned(scope, id).await?.record)
    }

    /// A page of members.
    pub async fn member_list(&self, scope: Scope, page: Page) -> Result<Listing<Member>, Error> {
        Ok(self.store.member_list(scope, page).await?)
    }

    /// Changes a member's name or role.
    pub async fn member_update(
        &self,
        change: &Change,
        authority: MemberRole,
        id: &str,
        update: MemberUpdate,
    ) -> Result<Member, Error> {
        for _ in 0..SWAPS_MAX {
            let Versioned { record, version } = self.member_versioned(change.scope, id).await?;
            let role = update.role.unwrap_or(record.role);
            if role != record.role {
                may_touch(authority, role.max(record.role))?;
            }
            change.holds_for("member", record.id, &record)?;
            let member = Member {
                name: update.name.clone().unwrap_or(record.name),
                role,
                updated_at: self.clock.now(),
                ..record
            };
            let with = change.note(member.updated_at, "member.updated", "member", member.id)?;
            let with = change.answered(with.fields(&update)?, &member)?;
            let changed = self.store.member_update(change.scope, &member, version, &with).await?;
            if is_done(changed, member.id)? {
                change.stored(with);
                return Ok(member);
            }
        }
        Err(Error::contended("change a member"))
    }

    /// Takes a member out of the organisation. Their tokens are worth nothing here from then on.
    pub async fn member_remove(&self, change: &Change, authority: MemberRole, id: &str) -> Result<(), Error> {
        for _ in 0..SWAPS_MAX {
            let found = self.member_versioned(change.scope, id).await;
            let Some(Versioned { record, version }) =
                deleted_before(&*self.store, change, "member.removed", found).await?
            else {
                return Ok(());
            };
            may_touch(authority, record.role)?;
            change.holds_for("member", record.id, &record)?;
            let with = change.note(self.clock.now(), "member.removed", "member", record.id)?;
            let changed = self
                .store
                .member_delete(change.scope, record.id, version, &with)
                .await?;
            if is_done(changed, record.id)? {
                return Ok(());
            }
        }
        Err(Error::contended("remove a member"))
    }

    async fn member_versioned(&self, scope: Scope, id: &str) -> Result<Versioned<Member>, Error> {
        let member = rules::id_in_path("member", id)?;
        let found = self.store.member_versioned(scope, member).await?;
        found.ok_or_else(|| Error::not_found("member", id))
    }
}

/// All that breaks the rules of a new member. The schema states some of it too; what comes from the command line has
/// passed none.
pub fn member_faults(create: &MemberCreate) -> Vec<FieldFault> {
    let fault = |reason, message: &'static str| vec![FieldFault::in_body("/subject", reason, message)];
    match create.subject.chars().count() {
        0 => return fault(FieldReason::TooShort, "Must not be empty."),
        1..=SUBJECT_CHARS_MAX => {}
        _ => return fault(FieldReason::TooLong, "Must have at most 255 characters."),
    }
    if create.subject.chars().any(char::is_control) {
        return fault(FieldReason::InvalidFormat, "A subject has no control characters.");
    }
    Vec::new()
}

/// Whether who asks may give, or take, this role.
fn may_touch(authority: MemberRole, role: MemberRole) -> Result<(), Error> {
    if role < MemberRole::Owner || authority == MemberRole::Owner {
        return Ok(());
    }
    Err(Error::Role {
        required: MemberRole::Owner,
    })
}

fn is_done(changed: MemberChanged, id: MemberId) -> Result<bool, Error> {
    match changed {
        MemberChanged::Done => Ok(true),
        MemberChanged::Stale => Ok(false),
        MemberChanged::LastOwner => Err(Error::rule(
            Reason::LastOwner,
            "The organisation has no other owner.",
            [("member_id", id.to_string().into())],
        )),
    }
}
