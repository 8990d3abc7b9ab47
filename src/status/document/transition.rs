//! A transition of a real server.

use serde::{Deserialize, Serialize};

use super::Timestamp;
use crate::status::TransitionRecord;

/// A change of verdict.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct TransitionStatus {
    pub(crate) at: Timestamp,
    pub(crate) service: String,
    pub(crate) real_server: String,
    /// `up` or `down`.
    pub(crate) to: String,
    pub(crate) reason: String,
    /// Only of a real server that went down.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) diagnosis: Option<String>,
}

impl TransitionStatus {
    pub(super) fn of(record: TransitionRecord) -> Self {
        Self {
            at: Timestamp(record.at),
            service: record.service.to_string(),
            real_server: record.real_server.to_string(),
            to: record.to.to_string(),
            reason: record.reason,
            diagnosis: record.diagnosis.map(|diagnosis| diagnosis.to_string()),
        }
    }
}
