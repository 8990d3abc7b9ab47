//! The reload of a director's configuration.

use std::mem;
use std::sync::Arc;

use tokio::sync::oneshot;

use super::Director;
use super::probes::{report_interval, subscribe};
use crate::agent::conditions;
use crate::agent::reload::{ReloadError, reload_config};
use crate::health::weight_updates::WeightUpdates;
use crate::health::{self, ReloadResult};
use crate::http::AppState;
use crate::kernel::TableKind;
use crate::model::{Role, with_noun};
use crate::probe::vip_path;
use crate::reconcile::{self, Writing};
use crate::runtime::clock;
use crate::runtime::liveness::Loop;

impl Director {
    /// Takes the file over if it is whole and valid: first the probes, then
    /// health, then, with what health knows, the kernel.
    pub(super) async fn reload(&mut self) -> Result<String, ReloadError> {
        let config = reload_config(&self.path, &self.config, Role::Director).await?;
        let view = self.shown.view();
        let names = config.virtual_services.iter().map(|service| &*service.name);
        let metrics = Arc::new(view.metrics.for_services(names));
        let weight_updates = Arc::new(WeightUpdates::default());
        let found = {
            let (found, answer) = oneshot::channel();
            let config = Arc::clone(&config);
            self.ask(reconcile::ReconcileRequest::Observe { config, found })
                .await?;
            let found = answer.await.map_err(|_| ReloadError::Ending)?;
            found.map_err(ReloadError::Unreadable)?
        };

        // Only the agent that really writes sends events.
        if self.writing == Writing::Real && config.notify != self.config.notify {
            self.events.configure(&config.notify, &metrics)?;
        }
        // From here on nothing refuses the new configuration.
        let probes = subscribe(&mut self.probes, &config);
        self.workers.provide_for(&config, &probes.targets);
        let (done, health_done) = oneshot::channel();
        let report_interval = report_interval(&probes.targets);
        conditions::examine_descriptors(&view.snapshot.conditions, &probes.targets);
        let change = health::HealthReload {
            config: Arc::clone(&config),
            probes,
            found,
            loaded_at: clock::wall(),
            metrics: Arc::clone(&metrics),
            weight_updates: Arc::clone(&weight_updates),
            done,
        };
        let sent = self
            .to_health
            .send(health::HealthRequest::Reload(change))
            .await;
        sent.map_err(|_| ReloadError::Ending)?;
        let ReloadResult {
            snapshot,
            weights,
            removed,
        } = health_done.await.map_err(|_| ReloadError::Ending)?;

        self.canary.send_replace(vip_path::canary_targets(&config));
        let before = mem::replace(&mut self.config, Arc::clone(&config));
        let ended = {
            let mut store = self.decisions.lock().await;
            store.forget_unconfigured(&before, &config).await
        };
        view.liveness.expect(
            &[Loop::Reconcile, Loop::Health],
            config.director.resync_interval,
        );
        if let Some(interval) = report_interval {
            view.liveness.expect(&[Loop::Probes], interval);
        }
        self.shown.show(AppState {
            snapshot: Arc::clone(&snapshot),
            metrics: Arc::clone(&metrics),
            liveness: view.liveness,
            weight_updates: Arc::clone(&weight_updates),
        });
        snapshot.tls_not_read.forget();
        self.drain_changes.send_replace(());
        let (director, in_kernel) = (Role::Director, self.table == TableKind::Kernel);
        conditions::examine_capabilities(&snapshot.conditions, &config, director, in_kernel);
        self.to_audit.send_replace(Arc::clone(&config));
        let (done, reconcile_done) = oneshot::channel();
        self.ask(reconcile::ReconcileRequest::Reload(
            reconcile::ReconcileReload {
                config,
                weights,
                removed,
                snapshot,
                metrics,
                weight_updates,
                done,
            },
        ))
        .await?;
        let steps = reconcile_done.await.map_err(|_| ReloadError::Ending)??;
        let made = match (self.writing, self.table) {
            (Writing::Real, TableKind::Kernel) => "in the kernel",
            (Writing::Real, TableKind::Memory) => "in the table in memory",
            (Writing::DryRun, _) => "pending, which a dry run does not make",
        };
        let notes = ended.iter().map(|ended| format!("\nnote: {ended}"));
        Ok(format!(
            "reloaded: {}; {} {made}{}",
            self.config.summary(),
            with_noun(steps, "change"),
            notes.collect::<String>()
        ))
    }
}
