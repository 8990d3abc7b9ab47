//! What a second agent, or a wrong configuration, would find taken: acquired
//! before the kernel is touched.

use std::net::TcpListener;
use std::sync::Arc;

use tracing::info;

use crate::agent::lifecycle::AgentError;
use crate::config::{Config, Control, Http};
use crate::control::{self, BindError, ControlSocket};
use crate::http::{self, ListenError};
use crate::model::Role;
use crate::reconcile::{RoleLock, StateLock, Writing};
use crate::runtime::signals::{Hangup, Terminate};
use crate::status::SharedConditions;

/// The signals, the HTTP listener and the control socket of a role.
pub(crate) struct StartupResources {
    pub(super) terminate: Terminate,
    pub(super) hangup: Hangup,
    pub(super) listener: TcpListener,
    pub(super) socket: ControlSocket,
}

/// The locks of a role and of its state directory. They are held until the agent has done what
/// `on_exit` asks for, which writes both.
#[must_use]
pub(crate) struct Locks {
    role: Option<RoleLock>,
    state: Option<Arc<StateLock>>,
}

impl StartupResources {
    /// Acquires them: the lock of the role only where the kernel is written,
    /// the lock of the state directory only where that directory is written.
    pub(crate) async fn acquire(
        config: &Config,
        role: Role,
        writing: Writing,
        in_kernel: bool,
    ) -> Result<(Self, Locks), AgentError> {
        let terminate = Terminate::new().map_err(AgentError::Signals)?;
        let hangup = Hangup::new().map_err(AgentError::Signals)?;
        let writes = writing == Writing::Real;
        let role_lock = if writes && in_kernel {
            Some(RoleLock::take(role).await?)
        } else {
            None
        };
        let (http, control) = endpoints(config, role);
        let listener = http::bind(http.listen).await;
        let listener = listener.map_err(|error| taken(error.into(), role))?;
        let socket = control::bind(&control.socket);
        let socket = socket.map_err(|error| taken(error.into(), role))?;
        let state = if writes {
            Some(Arc::new(StateLock::take(&config.state_dir, role).await?))
        } else {
            None
        };
        let http = listener.local_addr().unwrap_or(http.listen);
        info!(%http, control = %control.socket.display(), "listening");
        let resources = Self {
            terminate,
            hangup,
            listener,
            socket,
        };
        let locks = Locks {
            role: role_lock,
            state,
        };
        Ok((resources, locks))
    }
}

impl Locks {
    /// Notes what was in the place of a lock's file, and looks from now on whether the state
    /// directory is still the one that is locked.
    pub(crate) fn watch(&self, conditions: &SharedConditions) {
        if let Some(role) = &self.role {
            role.note_damage(conditions);
        }
        if let Some(state) = &self.state {
            state.note_damage(conditions);
            let conditions = Arc::clone(conditions);
            tokio::spawn(StateLock::keep(Arc::downgrade(state), conditions));
        }
    }
}

/// The addresses at which the agent of a role answers.
pub(super) fn endpoints(config: &Config, role: Role) -> (&Http, &Control) {
    match role {
        Role::Director => (config.director_http(), config.director_control()),
        Role::RealServer => (config.real_server_http(), config.real_server_control()),
    }
}

/// The same error, with the remedy where the agent of the host's other role
/// has the address or the socket.
fn taken(error: AgentError, role: Role) -> AgentError {
    let is_taken = matches!(
        error,
        AgentError::Listen(ListenError::Taken(_)) | AgentError::Control(BindError::InUse(_))
    );
    let other = match role {
        Role::Director => Role::RealServer,
        Role::RealServer => Role::Director,
    };
    if is_taken && RoleLock::is_held(other) {
        AgentError::OtherRole(Box::new(error))
    } else {
        error
    }
}
