//! Limits that operators grant single organisations.

use async_trait::async_trait;
use contract::OrganizationLimits;
use domain::{
    Alongside,
    ports::{LimitStore, Stored},
    records::Scope,
};

use crate::{
    SqlStore,
    sql::{Outcome, Row, args, doing, json_of, maybe_json},
};

/// What an organisation was granted; no row where there is no such organisation.
const GRANTED: &str = "SELECT granted.limits FROM organizations AS organization
                       LEFT JOIN organization_limits AS granted ON granted.organization_id = organization.id
                       WHERE organization.id = $1";

#[async_trait]
impl LimitStore for SqlStore {
    async fn limits_fetch(&self, scope: Scope) -> Stored<Option<OrganizationLimits>> {
        doing("limits_fetch", async {
            let row = self.db.fetch_optional(GRANTED, args![scope.organization.0]).await?;
            row.as_ref().map(granted).transpose()
        })
        .await
    }

    async fn limits_set(
        &self,
        scope: Scope,
        present: &OrganizationLimits,
        limits: &OrganizationLimits,
        with: &Alongside,
    ) -> Stored<bool> {
        doing("limits_set", async {
            let mut tx = self.db.write().await?;
            // One after another, so that what is compared is what is replaced.
            tx.hold_organization(scope.organization).await?;
            let row = tx.fetch_optional(GRANTED, args![scope.organization.0]).await?;
            let done = row.as_ref().map(granted).transpose()?.as_ref() == Some(present);
            if done {
                let sql = "INSERT INTO organization_limits (organization_id, limits) VALUES ($1, $2)
                           ON CONFLICT (organization_id) DO UPDATE SET limits = excluded.limits";
                tx.execute(sql, args![scope.organization.0, json_of(limits)?]).await?;
            }
            self.commit_if(tx, scope, done, with).await
        })
        .await
    }
}

fn granted(row: &Row) -> Outcome<OrganizationLimits> {
    Ok(maybe_json(row, "limits")?.unwrap_or_default())
}
