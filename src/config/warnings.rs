//! What is valid, and still hardly meant.

use super::Config;

impl Config {
    /// A sentence for each, with what to do.
    pub fn warnings(&self) -> Vec<String> {
        let listen = self.real_server_http().listen;
        let key = match self.real_server.http {
            Some(_) => "real_server.http.listen",
            None => "http.listen",
        };
        let services = self.virtual_services.iter();
        let asked = services.filter_map(|service| {
            let mut checks = service.checked().map(|(_, check)| check);
            let port = checks.find_map(|check| check.kind.agent_port())?;
            let reachable = !listen.ip().is_loopback() && listen.port() == port;
            (!reachable).then_some((&service.name, port))
        });
        asked
            .map(|(name, port)| {
                format!(
                    "the check `agent` of `{name}` asks on port {port} of each real server's own \
                     address, and `{key}` is {listen}: on the real servers write \
                     `listen: 0.0.0.0:{port}` (or \"[::]:{port}\"), and let only the directors \
                     and Prometheus reach it"
                )
            })
            .collect()
    }
}
