//! Whether the director's own link is up: looked at often, told as it changes.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;
use tracing::debug;

use crate::error_chain::error_chain;
use crate::kernel::Addresses;

/// From one look to the next, each of which is one small request: well within
/// `fall` times the shortest interval of a check, with `fall` at 3.
const PERIOD: Duration = Duration::from_millis(200);

/// Tells `up` whether the interface has a carrier, for as long as it is asked.
///
/// A look that fails says nothing: what was last seen holds.
pub(crate) async fn watch(interface: String, up: watch::Sender<bool>) {
    let mut links = Addresses::new();
    loop {
        match links.has_carrier(&interface).await {
            Ok(now) => {
                up.send_if_modified(|up| std::mem::replace(up, now) != now);
            }
            Err(error) => debug!(error = error_chain(&error), "the link was not seen"),
        }
        sleep(PERIOD).await;
    }
}
