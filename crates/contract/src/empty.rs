//! The body of operations that leave nothing to choose.

use serde::{Deserialize, Serialize};

/// There is nothing to choose.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Empty {}
