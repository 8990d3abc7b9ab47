//! What `ipvsadm --save --numeric` prints, and rules written by hand in its words.

mod options;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU16;

use self::options::{Options, Tunnelling, options};
use super::draft::{Draft, DraftCheck, Key, Netmask, Persistence, RealServer, number};
use super::note::{Notes, SourceLocation};
use super::render::{Timeouts, timeout};
use super::{ImportError, SourceText};
use crate::model::{Checksum, Family, Forwarding, Protocol, Tunnel};

/// How long clients are kept by `-p` without a number, in seconds.
const PERSISTENCE: u64 = 300;
/// The scheduler of ipvsadm.
const SCHEDULER: &str = "wlc";

/// The services of the table, and the time-outs that it sets.
pub(super) fn read(
    main: &SourceText,
    notes: &mut Notes,
) -> Result<(Vec<Draft>, Timeouts), ImportError> {
    let file = notes.add_file(main);
    let mut table = Table::default();
    let mut timeouts = Timeouts::new();
    for (index, line) in main.text.lines().enumerate() {
        let location = SourceLocation {
            file,
            line: index + 1,
        };
        let words = line.split_whitespace().collect::<Vec<_>>();
        let words = match words.split_first() {
            Some((first, rest)) if *first == "ipvsadm" || first.ends_with("/ipvsadm") => rest,
            _ => &words,
        };
        let Some((command, rest)) = words.split_first() else {
            continue;
        };
        if command.starts_with('#') {
            continue;
        }
        match *command {
            "-A" | "--add-service" => table.add_service(rest, location, notes)?,
            "-a" | "--add-server" => table.add_server(rest, location, notes)?,
            "--set" => timeouts = read_timeouts(rest, location, notes)?,
            command => other(command, words, location, notes)?,
        }
    }
    Ok((table.drafts, timeouts))
}

/// A line that adds nothing to the table.
fn other(
    command: &str,
    words: &[&str],
    location: SourceLocation,
    notes: &mut Notes,
) -> Result<(), ImportError> {
    let text = match command {
        "-C" | "--clear" | "-Z" | "--zero" => return Ok(()),
        "--start-daemon" | "--stop-daemon" => format!(
            "`{command}` is left out: the agent shows the kernel's synchronization daemon, and \
             does not start it; let ipvsadm or keepalived do so as before"
        ),
        "-E" | "--edit-service" | "-e" | "--edit-server" | "-D" | "--delete-service" | "-d"
        | "--delete-server" => format!(
            "the line `{}` is left out: it changes what lines before it made; import the output \
             of `ipvsadm -S -n`",
            words.join(" ")
        ),
        _ => {
            let message = format!(
                "`{command}` begins no line of `ipvsadm -S -n`, which begin with `-A` or `-a`: \
                 give its output, as in `ipvsadm -S -n | lvs-agent import ipvsadm -`"
            );
            return Err(notes.not_understood(location, message));
        }
    };
    notes.add(location, text);
    Ok(())
}

/// The services as far as they are read.
#[derive(Default)]
struct Table {
    drafts: Vec<Draft>,
    /// The index of the draft of each service as it is written; `None` for one
    /// that is left out.
    by_name: BTreeMap<String, Option<usize>>,
}

impl Table {
    fn add_service(
        &mut self,
        words: &[&str],
        location: SourceLocation,
        notes: &mut Notes,
    ) -> Result<(), ImportError> {
        let options = options(words, location, notes)?;
        let name = service_name(&options, location, notes)?;
        let Some(key) = key(&options, location, notes) else {
            self.by_name.insert(name, None);
            return Ok(());
        };
        notes.set_service(Some(self.drafts.len()));
        let mut draft = Draft::new(location, key);
        let scheduler = options.scheduler.unwrap_or(SCHEDULER);
        scheduler.clone_into(&mut draft.scheduler);
        draft.one_packet = options.one_packet;
        for flag in options.flags.iter().flat_map(|flags| flags.split(',')) {
            match flag {
                "sh-fallback" | "mh-fallback" | "flag-1" => draft.fallback = true,
                "sh-port" | "mh-port" | "flag-2" => draft.by_port = true,
                _ => notes.note_unsupported(location, "-b", flag),
            }
        }
        if options.is_persistent || options.engine.is_some() {
            let given = options.persistence;
            draft.persistence = Some(Persistence {
                seconds: given.map_or(PERSISTENCE, |text| text.parse().unwrap_or(u64::MAX)),
                netmask: netmask(options.netmask, location, notes),
                engine: options.engine.map(str::to_owned),
            });
        }
        notes.set_service(None);
        self.by_name.insert(name, Some(self.drafts.len()));
        self.drafts.push(draft);
        Ok(())
    }

    fn add_server(
        &mut self,
        words: &[&str],
        location: SourceLocation,
        notes: &mut Notes,
    ) -> Result<(), ImportError> {
        let options = options(words, location, notes)?;
        let name = service_name(&options, location, notes)?;
        let Some(index) = self.by_name.get(&name).copied() else {
            let message = format!(
                "the service `{name}` of this real server has no line `-A` before this one"
            );
            return Err(notes.not_understood(location, message));
        };
        let Some(index) = index else {
            notes.add(
                location,
                format!("this real server is left out, like its service `{name}`"),
            );
            return Ok(());
        };
        notes.set_service(Some(index));
        let server = real_server(&options, location, notes)?;
        if let (Some(server), Some(draft)) = (server, self.drafts.get_mut(index)) {
            draft.real_servers.push(server);
        }
        notes.set_service(None);
        Ok(())
    }
}

/// The service as it is written, by which `-A` and `-a` name it.
fn service_name(
    options: &Options<'_>,
    location: SourceLocation,
    notes: &Notes,
) -> Result<String, ImportError> {
    match options.service {
        Some((option, text)) => Ok(format!(
            "{option} {text}{}",
            if options.ipv6 { " -6" } else { "" }
        )),
        None => Err(notes.not_understood(
            location,
            "this line names no service: write `-t`, `-u`, `--sctp-service` or `-f`",
        )),
    }
}

fn key(options: &Options<'_>, location: SourceLocation, notes: &mut Notes) -> Option<Key> {
    let (option, text) = options.service?;
    let protocol = match option {
        "-f" => {
            let mark = text.parse().ok();
            let family = if options.ipv6 {
                Family::Ipv6
            } else {
                Family::Ipv4
            };
            if mark.is_none() {
                let text = format!(
                    "the service by the firewall mark `{text}` is left out: a mark is a number \
                     from 1 to 4294967295"
                );
                notes.add(location, text);
            }
            return mark.map(|mark| Key::Mark { mark, family });
        }
        "-u" => Protocol::Udp,
        "--sctp-service" => Protocol::Sctp,
        _ => Protocol::Tcp,
    };
    let address = address(text);
    if address.is_none() {
        notes.add(
            location,
            format!("the service `{text}` is left out: {NAMES}"),
        );
    }
    let addresses = vec![address?];
    Some(Key::Addresses {
        protocol,
        addresses,
    })
}

const NAMES: &str = "it is no IP address with a port, and names are not looked up; \
                     use `ipvsadm -S -n`, which prints numbers";

/// Address and port; without a port, 0.
fn address(text: &str) -> Option<SocketAddr> {
    let bare = || text.trim_matches(['[', ']']).parse::<IpAddr>();
    let address = text.parse::<SocketAddr>();
    address
        .or_else(|_| bare().map(|address| SocketAddr::new(address, 0)))
        .ok()
}

fn netmask(text: Option<&str>, location: SourceLocation, notes: &mut Notes) -> Option<Netmask> {
    let text = text?;
    let netmask = text.parse().map(Netmask::Mask);
    let netmask = netmask.or_else(|_| text.parse().map(Netmask::PrefixLength));
    if netmask.is_err() {
        let text = format!("the netmask `{text}` is left out: it is no netmask");
        notes.add(location, text);
    }
    netmask.ok()
}

fn real_server(
    options: &Options<'_>,
    location: SourceLocation,
    notes: &mut Notes,
) -> Result<Option<RealServer>, ImportError> {
    let Some(text) = options.real_server else {
        let message = "this line names no real server: write `-r` and its address";
        return Err(notes.not_understood(location, message));
    };
    let Some(address) = address(text) else {
        notes.add(
            location,
            format!("the real server `{text}` is left out: {NAMES}"),
        );
        return Ok(None);
    };
    let mut number = |option: &str, text: Option<&str>, default| match text {
        None => Ok(default),
        Some(text) => number(text, location, notes).ok_or_else(|| {
            notes.not_understood(location, format!("`{option} {text}` is no number"))
        }),
    };
    Ok(Some(RealServer {
        location,
        address: address.ip(),
        port: (address.port() != 0).then_some(address.port()),
        weight: number("-w", options.weight, 1)?,
        upper_threshold: number("-x", options.upper_threshold, 0)?,
        lower_threshold: number("-y", options.lower_threshold, 0)?,
        forwarding: forwarding(options, location, notes)?,
        check: DraftCheck::Unknown,
    }))
}

fn forwarding(
    options: &Options<'_>,
    location: SourceLocation,
    notes: &Notes,
) -> Result<Forwarding, ImportError> {
    let Tunnelling {
        kind,
        port,
        checksum,
    } = options.tunnelling;
    match options.forwarding {
        Some("-m") => return Ok(Forwarding::Masquerade),
        Some("-i") => {}
        _ => return Ok(Forwarding::Direct),
    }
    let tunnel = match kind {
        None | Some("ipip") => Tunnel::Ipip,
        Some("gre") => Tunnel::Gre {
            checksum: checksum == Checksum::Sum,
        },
        Some("gue") => {
            let number = port.and_then(|port| port.parse::<NonZeroU16>().ok());
            let Some(port) = number else {
                let message = "a tunnel of type `gue` needs `--tun-port` and a port";
                return Err(notes.not_understood(location, message));
            };
            Tunnel::Gue { port, checksum }
        }
        Some(other) => {
            let message = format!("`--tun-type {other}` is none of ipip, gue and gre");
            return Err(notes.not_understood(location, message));
        }
    };
    Ok(Forwarding::Tunnel(tunnel))
}

/// `--set TCP TCPFIN UDP` in seconds; 0 leaves one alone.
fn read_timeouts(
    words: &[&str],
    location: SourceLocation,
    notes: &mut Notes,
) -> Result<Timeouts, ImportError> {
    let [tcp, tcpfin, udp] = words else {
        let message = "`--set` has three numbers of seconds: of tcp, tcpfin and udp";
        return Err(notes.not_understood(location, message));
    };
    let mut timeouts = Timeouts::new();
    for (key, text) in [("tcp", tcp), ("tcpfin", tcpfin), ("udp", udp)] {
        let Some(seconds) = number(text, location, notes) else {
            let message = format!("`--set`: `{text}` is no number of seconds");
            return Err(notes.not_understood(location, message));
        };
        if seconds > 0 {
            timeouts.push((key, timeout(key, seconds, location, notes)));
        }
    }
    Ok(timeouts)
}

#[cfg(test)]
mod tests;
