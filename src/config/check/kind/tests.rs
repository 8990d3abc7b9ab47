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

#[test]
fn only_what_looks_ahead_waits_for_the_end() {
    let regex = |text| Pattern::Regex(Expression::new(text).unwrap());
    for settled in [
        "well",
        "^220 ",
        "(?m)^ok",
        "a|b",
        "[0-9]{1,2}",
        "(?i)OK",
        r"\xff",
    ] {
        assert!(regex(settled).is_settled_by_a_part(), "{settled}");
    }
    for open in [
        "well$", r"well\b", r"\bwell", "(?m)ok$", r"ok\z", "(?mR)^ok", r"\Bx",
    ] {
        assert!(!regex(open).is_settled_by_a_part(), "{open}");
    }
    assert!(Pattern::Text("$".to_owned()).is_settled_by_a_part());
}
