//! `virtual_server` and its real servers.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use super::super::draft::{Draft, Key, Netmask, Persistence, RealServer, SorryServer, number};
use super::super::note::Notes;
use super::blocks::Statement;
use super::checker::Checkers;
use super::group::{Group, family};
use super::settings::{Settings, forwarding, integer, note_invalid};
use super::target::Target;
use super::tls::ClientTls;
use crate::model::{Family, Forwarding, Protocol};

/// keepalived's `persistence_timeout` without a number, in seconds.
const PERSISTENCE: u64 = 360;
/// The scheduler that keepalived has by default.
const SCHEDULER: &str = "wlc";
/// The way of forwarding that keepalived has by default.
const FORWARDING: Forwarding = Forwarding::Masquerade;

/// What is read, and what it refers to.
#[derive(Clone, Copy)]
pub(super) struct VirtualServer<'a> {
    pub(super) statement: &'a Statement,
    pub(super) groups: &'a BTreeMap<String, Group>,
    pub(super) tls: &'a ClientTls,
}

/// The keywords of a virtual server beside those of its real servers.
struct Head {
    draft: Draft,
    protocol: Protocol,
    family: Option<Family>,
    settings: Settings,
}

impl VirtualServer<'_> {
    /// One draft, or those of a group: one for the VIPs of each family and one for each mark.
    pub(super) fn read(self, notes: &mut Notes) -> Vec<Draft> {
        let statement = self.statement;
        let head = self.head(notes);
        let servers: Vec<_> = statement
            .block()
            .iter()
            .filter(|inner| inner.keyword() == "real_server")
            .collect();
        let is_ipv6 = |inner: &&Statement| {
            inner
                .argument(0)
                .parse()
                .is_ok_and(|address: IpAddr| address.is_ipv6())
        };
        let of_servers = if !servers.is_empty() && servers.iter().all(is_ipv6) {
            Family::Ipv6
        } else {
            Family::Ipv4
        };
        let keys = self.keys(head.protocol, head.family.unwrap_or(of_servers), notes);
        if head.settings.alpha != Some(true) && !servers.is_empty() {
            let text = "without `alpha` a new real server serves before its first check there; \
                        here it serves once its check has passed, and one that is in the \
                        kernel's table keeps its weight until then";
            notes.once("not alpha", statement.location, text);
        }
        let of_service = head.settings.forwarding;
        let mut drafts = Vec::new();
        for key in keys {
            let mut draft = head.draft.clone();
            draft.key = key;
            if let Some(sorry_server) = &mut draft.sorry_server {
                let forwarding = sorry_server.forwarding.or(of_service);
                sorry_server.forwarding = forwarding.or(Some(FORWARDING));
            }
            draft.on_failure = Some(self.on_failure(&head.settings, notes));
            for server in &servers {
                let server = self.real_server(server, &draft.key, &head.settings, notes);
                draft.real_servers.extend(server);
            }
            drafts.push(draft);
        }
        drafts
    }

    fn keys(self, protocol: Protocol, of_marks: Family, notes: &mut Notes) -> Vec<Key> {
        let statement = self.statement;
        let wanted = match statement.argument(0) {
            "group" => return self.keys_of_group(protocol, of_marks, notes),
            "fwmark" => {
                if let Ok(mark) = statement.argument(1).parse() {
                    let family = of_marks;
                    return vec![Key::Mark { mark, family }];
                }
                "virtual server by a firewall mark"
            }
            text => {
                let port = port(statement.argument(1));
                if let (Ok(address), Some(port)) = (text.parse(), port) {
                    let addresses = vec![SocketAddr::new(address, port)];
                    return vec![Key::Addresses {
                        protocol,
                        addresses,
                    }];
                }
                "virtual server with an IP address and a port"
            }
        };
        note_invalid(statement, wanted, notes);
        Vec::new()
    }

    fn keys_of_group(self, protocol: Protocol, of_marks: Family, notes: &mut Notes) -> Vec<Key> {
        let name = self.statement.argument(1);
        let Some(group) = self.groups.get(name) else {
            let text = format!(
                "the virtual server is left out: the file has no `virtual_server_group {name}`"
            );
            notes.add(self.statement.location, text);
            return Vec::new();
        };
        let addresses = group.addresses.iter();
        let (v4, v6): (Vec<_>, Vec<_>) = addresses.partition(|address| address.is_ipv4());
        let lists = [v4, v6].into_iter();
        let lists = lists.filter(|list: &Vec<SocketAddr>| !list.is_empty());
        let marks = group.marks.iter().map(|(mark, family)| Key::Mark {
            mark: *mark,
            family: family.unwrap_or(of_marks),
        });
        lists
            .map(|addresses| Key::Addresses {
                protocol,
                addresses,
            })
            .chain(marks)
            .collect()
    }

    fn head(self, notes: &mut Notes) -> Head {
        let placeholder = Key::Addresses {
            protocol: Protocol::Tcp,
            addresses: Vec::new(),
        };
        let mut head = Head {
            draft: Draft::new(self.statement.location, placeholder),
            protocol: Protocol::Tcp,
            family: None,
            settings: Settings::default(),
        };
        SCHEDULER.clone_into(&mut head.draft.scheduler);
        if self.statement.argument(0) == "group" {
            head.draft.label = Some(self.statement.argument(1).to_owned());
        }
        for inner in self.statement.block() {
            let known = inner.keyword() == "real_server"
                || head.settings.read(inner, notes)
                || head.read_ipvs_keyword(inner, notes)
                || head.read_pool_keyword(inner, notes);
            if !known {
                inner.note_unsupported(notes);
            }
        }
        head
    }

    /// The service has one way to treat a failure: that of its real servers if all have it.
    fn on_failure(self, above: &Settings, notes: &mut Notes) -> &'static str {
        let servers = self.statement.block().iter();
        let servers = servers.filter(|inner| inner.keyword() == "real_server");
        let own: Vec<_> = servers
            .map(|server| {
                let mut inner = server.block().iter();
                let own = inner.find(|inner| inner.keyword() == "inhibit_on_failure");
                own.map(super::settings::boolean)
                    .or(above.inhibit_on_failure)
                    .unwrap_or(false)
            })
            .collect();
        let quiesces = !own.is_empty() && own.iter().all(|inhibits| *inhibits);
        if !quiesces && own.contains(&true) {
            let text = "`inhibit_on_failure` of some real servers is left out: `on_failure` holds \
                        for all real servers of a service; write `on_failure: quiesce` to have \
                        it for all";
            notes.add(self.statement.location, text);
        }
        if quiesces { "quiesce" } else { "remove" }
    }

    fn real_server(
        self,
        statement: &Statement,
        key: &Key,
        above: &Settings,
        notes: &mut Notes,
    ) -> Option<RealServer> {
        let (location, text) = (statement.location, statement.argument(0));
        let port = port(statement.argument(1));
        let (Ok(address), Some(port)) = (text.parse(), port) else {
            note_invalid(
                statement,
                "real server with an IP address and a port",
                notes,
            );
            return None;
        };
        let port = Some(port).filter(|port| *port != 0);
        let mut own = Settings::default();
        let (mut weight, mut upper, mut lower) = (1, 0, 0);
        let mut statements = Vec::new();
        for inner in statement.block() {
            match inner.keyword() {
                "weight" => weight = integer(inner, notes).unwrap_or(1),
                "uthreshold" => upper = integer(inner, notes).unwrap_or(0),
                "lthreshold" => lower = integer(inner, notes).unwrap_or(0),
                _ if own.read(inner, notes) => {}
                _ if Checkers::has(inner.keyword()) => statements.push(inner),
                _ => inner.note_unsupported(notes),
            }
        }
        let settings = own.or(above);
        let target = Target {
            address,
            port: port.or(key.port()),
            service_port: key.port(),
            needs_port: matches!(key, Key::Mark { .. }),
        };
        let forwarding = settings.forwarding.unwrap_or(FORWARDING);
        let checkers = Checkers {
            target,
            settings: &settings,
            tls: self.tls,
        };
        Some(RealServer {
            location,
            address,
            port,
            forwarding,
            weight,
            upper_threshold: upper,
            lower_threshold: lower,
            check: checkers.check(&statements, notes),
        })
    }
}

/// The number of a port; 0 where none is written.
fn port(text: &str) -> Option<u16> {
    if text.is_empty() {
        Some(0)
    } else {
        text.parse().ok()
    }
}

impl Head {
    /// Keywords that IPVS is told of.
    fn read_ipvs_keyword(&mut self, inner: &Statement, notes: &mut Notes) -> bool {
        let (draft, text) = (&mut self.draft, inner.argument(0));
        match inner.keyword() {
            "lb_algo" | "lvs_sched" => text.clone_into(&mut draft.scheduler),
            "flag-1" | "sh-fallback" | "mh-fallback" => draft.fallback = true,
            "flag-2" | "sh-port" | "mh-port" => draft.by_port = true,
            "ops" => draft.one_packet = true,
            "protocol" => match text.to_ascii_lowercase().parse() {
                Ok(protocol) => self.protocol = protocol,
                Err(_) => note_invalid(inner, "protocol", notes),
            },
            "ip_family" => match family(text) {
                Some(family) => self.family = Some(family),
                None => note_invalid(inner, "address family", notes),
            },
            "persistence_timeout" => {
                let seconds = match text {
                    "" => Some(PERSISTENCE),
                    text => number(text, inner.location, notes).map(u64::from),
                };
                match seconds {
                    Some(seconds) => self.persistence().seconds = seconds,
                    None => note_invalid(inner, "number of seconds", notes),
                }
            }
            "persistence_granularity" => {
                let netmask = text.parse().map(Netmask::Mask);
                match netmask.or_else(|_| text.parse().map(Netmask::PrefixLength)) {
                    Ok(netmask) => self.persistence().netmask = Some(netmask),
                    Err(_) => note_invalid(inner, "netmask", notes),
                }
            }
            "persistence_engine" => self.persistence().engine = Some(text.to_owned()),
            _ => return false,
        }
        true
    }

    fn persistence(&mut self) -> &mut Persistence {
        self.draft.persistence.get_or_insert(Persistence {
            seconds: PERSISTENCE,
            netmask: None,
            engine: None,
        })
    }

    /// Keywords about the pool of real servers.
    fn read_pool_keyword(&mut self, inner: &Statement, notes: &mut Notes) -> bool {
        let location = inner.location;
        match inner.keyword() {
            "quorum" => {
                let quorum = integer(inner, notes).unwrap_or(1);
                if quorum == 0 {
                    let text = "`quorum 0` is left out: a quorum that is never lost is none; \
                                here a service without real servers that are up has lost it";
                    notes.add(location, text);
                }
                self.draft.quorum = quorum.max(1);
            }
            "hysteresis" => self.draft.hysteresis = integer(inner, notes).unwrap_or(0),
            "sorry_server" => {
                let own = self
                    .draft
                    .sorry_server
                    .as_ref()
                    .and_then(|own| own.forwarding);
                let port = inner.argument(1);
                match (
                    inner.argument(0).parse(),
                    port.is_empty() || port.parse::<u16>().is_ok(),
                ) {
                    (Ok(address), true) => {
                        self.draft.sorry_server = Some(SorryServer {
                            location,
                            address,
                            port: port.parse().ok().filter(|port| *port != 0),
                            forwarding: own,
                        });
                    }
                    _ => note_invalid(inner, "sorry server with an IP address and a port", notes),
                }
            }
            "sorry_server_lvs_method" => {
                let own = forwarding(inner.arguments(), location, notes);
                match &mut self.draft.sorry_server {
                    Some(server) => server.forwarding = own,
                    None => inner.note_unsupported(notes),
                }
            }
            "ha_suspend" => notes.note_unsupported_once(location, "ha_suspend"),
            "omega" => notes.note_unsupported_once(location, "omega"),
            _ => return false,
        }
        true
    }
}
