//! A probe without a network, for `tests/fuzz`.

use super::*;

/// Hands `work` what a probe of this check has.
pub(crate) async fn probing<F: AsyncFnOnce(Probing<'_>)>(check: &Check, work: F) {
    let prober = Prober::new();
    let connected = AtomicBool::new(true);
    work(Probing {
        target: SocketAddr::from(([198, 51, 100, 1], 80)),
        origin: &check.origin,
        deadline: Instant::from_std(clock::monotonic()) + check.timeout,
        timeout: check.timeout,
        tls: &prober.tls,
        neighbours: &prober.neighbours,
        agents: &prober.agents,
        vip_connection: None,
        scope: CheckScope::All,
        connected: &connected,
        progress: &Arc::new(Progress::new(check.timeout)),
    })
    .await;
}
