//! The formats in which a webhook takes events.

/// What a webhook is posted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WebhookFormat {
    /// The event.
    Event,
    /// What Alertmanager sends to a webhook, in version 4 of its format.
    AlertmanagerWebhook,
    /// What Alertmanager's own API takes.
    AlertmanagerApi,
}
