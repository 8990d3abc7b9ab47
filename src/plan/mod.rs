//! From what is and what should be to the steps between, in an order that
//! loses no traffic. Pure.

mod diff;
mod order;
mod render;
mod state;
mod step;

pub use diff::diff;
pub use order::in_safe_order;
pub use state::{ServiceState, State};
pub use step::{Step, Subject};
