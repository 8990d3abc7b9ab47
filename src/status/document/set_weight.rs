//! A weight that an operator has set, as `/status` shows it.

use serde::{Deserialize, Serialize};

use super::Timestamp;
use crate::model::{OperatorWeight, Weight};

/// A weight that an operator has set in place of the configured one.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct SetWeightStatus {
    /// As the operator wrote it: `50%` or `8`.
    pub(crate) to: String,
    /// What that is in place of the configured weight.
    pub(crate) weight: u32,
    /// When an operator set it, if the agent knows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) since: Option<Timestamp>,
    /// Who set it, if the agent knows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) by: Option<String>,
}

impl SetWeightStatus {
    pub(super) fn of(weight: OperatorWeight, configured: Weight) -> Self {
        let OperatorWeight { set, decision } = weight;
        Self {
            to: set.to_string(),
            weight: set.in_place_of(configured).get(),
            since: decision.since.map(Timestamp),
            by: decision.by.as_deref().map(str::to_owned),
        }
    }
}
