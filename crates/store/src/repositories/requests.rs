//! Requests that failed.

use async_trait::async_trait;
use contract::{FailedRequest, FailedRequestReport, OrganizationId, RequestId, Timestamp};
use domain::{
    ports::Stored,
    records::{Listing, Page, Scope},
    requests::{FailureClass, RequestBounds, RequestFilter, RequestStore},
};
use uuid::Uuid;

use crate::{
    SqlStore,
    sql::{Outcome, Row, Selection, Tx, args, doing, get, json, json_of, time},
};

/// What a failed request is read from.
macro_rules! columns {
    () => {
        "id, organization_id, at, method, route, status, code, reason, duration_ms, client_request_id, \
         address, cause, lines, lines_omitted"
    };
}

#[async_trait]
impl RequestStore for SqlStore {
    async fn requests_add(&self, failed: &[FailedRequestReport]) -> Stored<()> {
        doing("requests_add", async {
            let mut tx = self.db.write().await?;
            for report in failed {
                add(&mut tx, report).await?;
            }
            tx.commit().await
        })
        .await
    }

    async fn request_fetch(&self, scope: Scope, id: RequestId) -> Stored<Option<FailedRequestReport>> {
        doing("request_fetch", async {
            let sql = concat!(
                "SELECT ",
                columns!(),
                " FROM failed_requests WHERE organization_id = $1 AND id = $2"
            );
            let row = self.db.fetch_optional(sql, args![scope.organization.0, id.0]).await?;
            row.as_ref().map(report).transpose()
        })
        .await
    }

    async fn request_fetch_any(&self, id: RequestId) -> Stored<Option<FailedRequestReport>> {
        doing("request_fetch_any", async {
            let sql = concat!("SELECT ", columns!(), " FROM failed_requests WHERE id = $1");
            let row = self.db.fetch_optional(sql, args![id.0]).await?;
            row.as_ref().map(report).transpose()
        })
        .await
    }

    async fn request_list(
        &self,
        scope: Scope,
        filter: &RequestFilter,
        page: Page,
    ) -> Stored<Listing<FailedRequestReport>> {
        doing("request_list", async {
            let all = Selection::of("failed_requests", columns!()).only("organization_id = $", scope.organization.0);
            self.db.page(filtered(all, filter), page, report).await
        })
        .await
    }

    async fn request_list_any(
        &self,
        organization: Option<OrganizationId>,
        filter: &RequestFilter,
        page: Page,
    ) -> Stored<Listing<FailedRequestReport>> {
        doing("request_list_any", async {
            let organization = organization.map(|organization| organization.0);
            let all = Selection::of("failed_requests", columns!()).only_if("organization_id = $", organization);
            self.db.page(filtered(all, filter), page, report).await
        })
        .await
    }

    async fn requests_purge(&self, before: Timestamp, bounds: &RequestBounds) -> Stored<u64> {
        doing("requests_purge", async {
            let mut tx = self.db.write().await?;
            let mut purged = tx
                .execute("DELETE FROM failed_requests WHERE at < $1", args![before])
                .await?;
            for class in FailureClass::ALL {
                if let Some(max) = bounds.max_of_one(class) {
                    purged += purge_greedy(&mut tx, class, max).await?;
                }
                let sql = "DELETE FROM failed_requests WHERE class = $1 AND id <= (
                               SELECT id FROM failed_requests WHERE class = $1 ORDER BY id DESC LIMIT 1 OFFSET $2)";
                purged += tx.execute(sql, args![class.name(), bounds.max(class)]).await?;
            }
            tx.commit().await?;
            Ok(purged)
        })
        .await
    }
}

/// Of organisations with more of a class than one may have, forgets the oldest.
async fn purge_greedy(tx: &mut Tx, class: FailureClass, max: u32) -> Outcome<u64> {
    let sql = "SELECT organization_id FROM failed_requests WHERE class = $1 AND organization_id IS NOT NULL
               GROUP BY organization_id HAVING COUNT(*) > $2";
    let greedy = tx.fetch_all(sql, args![class.name(), max]).await?;
    let mut purged = 0;
    for row in &greedy {
        // The id of the first that is one too many, and all that are older.
        let sql = "DELETE FROM failed_requests WHERE organization_id = $1 AND class = $2 AND id <= (
                       SELECT id FROM failed_requests WHERE organization_id = $1 AND class = $2
                       ORDER BY id DESC LIMIT 1 OFFSET $3)";
        let organization: Uuid = get(row, "organization_id")?;
        purged += tx.execute(sql, args![organization, class.name(), max]).await?;
    }
    Ok(purged)
}

async fn add(tx: &mut Tx, report: &FailedRequestReport) -> Outcome<()> {
    let request = &report.request;
    let class = FailureClass::of_report(report);
    tx.execute(
        "INSERT INTO failed_requests
             (id, class, organization_id, at, method, route, status, code, reason, duration_ms, client_request_id,
              address, cause, lines, lines_omitted)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
         ON CONFLICT (id) DO NOTHING",
        args![
            request.id.0,
            class.name(),
            report.organization_id.map(|organization| organization.0),
            request.at,
            &request.method,
            &request.route,
            request.status,
            &request.code,
            &request.reason,
            i64::try_from(request.duration_ms)?,
            &request.client_request_id,
            &request.address,
            &report.cause,
            json_of(&report.lines)?,
            report.lines_omitted
        ],
    )
    .await?;
    Ok(())
}

fn filtered(all: Selection, filter: &RequestFilter) -> Selection {
    all.only_if("status = $", filter.status)
        .only_if("code = $", filter.code.as_deref())
        .only_if("reason = $", filter.reason.as_deref())
        .only_if("at >= $", filter.since)
}

fn report(row: &Row) -> Outcome<FailedRequestReport> {
    let request = FailedRequest {
        id: RequestId(get(row, "id")?),
        at: time(row, "at")?,
        method: get(row, "method")?,
        route: get(row, "route")?,
        status: get(row, "status")?,
        code: get(row, "code")?,
        reason: get(row, "reason")?,
        duration_ms: get(row, "duration_ms")?,
        client_request_id: get(row, "client_request_id")?,
        address: get(row, "address")?,
    };
    Ok(FailedRequestReport {
        request,
        organization_id: get::<Option<Uuid>>(row, "organization_id")?.map(OrganizationId),
        cause: get(row, "cause")?,
        lines: json(row, "lines")?,
        lines_omitted: get(row, "lines_omitted")?,
    })
}
