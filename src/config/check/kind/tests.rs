use super::*;

fn agent() -> CheckKind {
    CheckKind::Agent(AgentCheck {
        port: 9477,
        service: None,
    })
}

fn tcp(port: Option<u16>) -> CheckKind {
    CheckKind::Stream(StreamCheck {
        port,
        tls: None,
        steps: Vec::new(),
    })
}

#[test]
fn an_agent_speaks_of_the_port_that_clients_ask() {
    for (kind, target, clients) in [
        (agent(), 9477, 80),
        (CheckKind::All(vec![agent()]), 0, 0),
        (CheckKind::All(vec![tcp(None), agent()]), 80, 80),
        (CheckKind::All(vec![agent(), tcp(Some(8080))]), 0, 8080),
        (tcp(Some(8080)), 8080, 8080),
        (CheckKind::Ping, 0, 0),
    ] {
        assert_eq!(kind.target_port(80), target, "{kind:?}");
        assert_eq!(kind.clients_port(80), clients, "{kind:?}");
    }
}
