//! Members of organisations.

use async_trait::async_trait;
use contract::{Member, MemberId, MemberRole};
use domain::{
    Alongside,
    ports::{MemberStore, Stored},
    records::{Listing, MemberChanged, Page, Scope, Version, Versioned},
};

use super::versioned;
use crate::{
    SqlStore,
    sql::{Outcome, Row, Selection, Tx, args, doing, get, name_of, named, time},
};

/// What a member is read from.
macro_rules! columns {
    () => {
        "id, subject, name, role, created_at, updated_at, version"
    };
}

#[async_trait]
impl MemberStore for SqlStore {
    async fn member_create(&self, scope: Scope, member: &Member, with: &Alongside) -> Stored<bool> {
        doing("member_create", async {
            let mut tx = self.db.write().await?;
            let done = tx
                .execute(
                    "INSERT INTO members (id, organization_id, subject, name, role, created_at, updated_at)
                     VALUES ($1, $2, $3, $4, $5, $6, $7)
                     ON CONFLICT (organization_id, subject) DO NOTHING",
                    args![
                        member.id.0,
                        scope.organization.0,
                        &member.subject,
                        &member.name,
                        name_of(&member.role)?,
                        member.created_at.millis(),
                        member.updated_at.millis()
                    ],
                )
                .await?;
            self.commit_if(tx, scope, done > 0, with).await
        })
        .await
    }

    async fn member_by_subject(&self, scope: Scope, subject: &str) -> Stored<Option<Member>> {
        doing("member_by_subject", async {
            let sql = concat!(
                "SELECT ",
                columns!(),
                " FROM members WHERE organization_id = $1 AND subject = $2"
            );
            let row = self
                .db
                .fetch_optional(sql, args![scope.organization.0, subject])
                .await?;
            row.as_ref().map(member).transpose()
        })
        .await
    }

    async fn member_versioned(&self, scope: Scope, id: MemberId) -> Stored<Option<Versioned<Member>>> {
        doing("member_versioned", async {
            let sql = concat!(
                "SELECT ",
                columns!(),
                " FROM members WHERE organization_id = $1 AND id = $2"
            );
            let row = self.db.fetch_optional(sql, args![scope.organization.0, id.0]).await?;
            row.map(|row| versioned(&row, member)).transpose()
        })
        .await
    }

    async fn member_list(&self, scope: Scope, page: Page) -> Stored<Listing<Member>> {
        doing("member_list", async {
            let members = Selection::of("members", columns!()).only("organization_id = $", scope.organization.0);
            self.db.page(members, page, member).await
        })
        .await
    }

    async fn member_update(
        &self,
        scope: Scope,
        member: &Member,
        version: Version,
        with: &Alongside,
    ) -> Stored<MemberChanged> {
        doing("member_update", async {
            let mut tx = self.db.write().await?;
            tx.hold_organization(scope.organization).await?;
            if member.role != MemberRole::Owner && is_last_owner(&mut tx, scope, member.id).await? {
                return Ok(MemberChanged::LastOwner);
            }
            let done = tx
                .execute(
                    "UPDATE members SET name = $3, role = $4, updated_at = $5, version = version + 1
                     WHERE organization_id = $1 AND id = $2 AND version = $6",
                    args![
                        scope.organization.0,
                        member.id.0,
                        &member.name,
                        name_of(&member.role)?,
                        member.updated_at.millis(),
                        version.0
                    ],
                )
                .await?;
            Ok(outcome(self.commit_if(tx, scope, done > 0, with).await?))
        })
        .await
    }

    async fn member_delete(
        &self,
        scope: Scope,
        id: MemberId,
        version: Version,
        with: &Alongside,
    ) -> Stored<MemberChanged> {
        doing("member_delete", async {
            let mut tx = self.db.write().await?;
            tx.hold_organization(scope.organization).await?;
            if is_last_owner(&mut tx, scope, id).await? {
                return Ok(MemberChanged::LastOwner);
            }
            let sql = "DELETE FROM members WHERE organization_id = $1 AND id = $2 AND version = $3";
            let done = tx.execute(sql, args![scope.organization.0, id.0, version.0]).await?;
            Ok(outcome(self.commit_if(tx, scope, done > 0, with).await?))
        })
        .await
    }
}

/// Asked while the organisation is held, so that two owners can't go at once.
async fn is_last_owner(tx: &mut Tx, scope: Scope, id: MemberId) -> Outcome<bool> {
    let sql = "SELECT id FROM members WHERE organization_id = $1 AND role = 'owner' ORDER BY id LIMIT 2";
    let owners = tx.fetch_all(sql, args![scope.organization.0]).await?;
    match owners.as_slice() {
        [only] => Ok(MemberId(get(only, "id")?) == id),
        _ => Ok(false),
    }
}

fn outcome(done: bool) -> MemberChanged {
    if done {
        MemberChanged::Done
    } else {
        MemberChanged::Stale
    }
}

fn member(row: &Row) -> Outcome<Member> {
    Ok(Member {
        id: MemberId(get(row, "id")?),
        subject: get(row, "subject")?,
        name: get(row, "name")?,
        role: named(row, "role")?,
        created_at: time(row, "created_at")?,
        updated_at: time(row, "updated_at")?,
    })
}
