//! The options of a line of ipvsadm.

use super::super::ImportError;
use super::super::note::{Notes, SourceLocation};
use crate::model::Checksum;

/// What a line says of a tunnel.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Tunnelling<'l> {
    pub(super) kind: Option<&'l str>,
    pub(super) port: Option<&'l str>,
    pub(super) checksum: Checksum,
}

/// The options of one line; those with two names go by the short one.
#[derive(Debug, Clone, Default)]
pub(super) struct Options<'l> {
    /// The option and what it names.
    pub(super) service: Option<(&'static str, &'l str)>,
    pub(super) ipv6: bool,
    pub(super) scheduler: Option<&'l str>,
    pub(super) is_persistent: bool,
    /// The number of seconds, if there is one.
    pub(super) persistence: Option<&'l str>,
    pub(super) netmask: Option<&'l str>,
    pub(super) engine: Option<&'l str>,
    pub(super) one_packet: bool,
    pub(super) flags: Option<&'l str>,
    pub(super) real_server: Option<&'l str>,
    pub(super) forwarding: Option<&'static str>,
    pub(super) tunnelling: Tunnelling<'l>,
    pub(super) weight: Option<&'l str>,
    pub(super) upper_threshold: Option<&'l str>,
    pub(super) lower_threshold: Option<&'l str>,
}

/// The options of the words after the command.
pub(super) fn options<'l>(
    words: &[&'l str],
    location: SourceLocation,
    notes: &mut Notes,
) -> Result<Options<'l>, ImportError> {
    let mut found = Options::default();
    let mut words = words.iter().copied().peekable();
    while let Some(word) = words.next() {
        let (option, joined) = match word.split_once('=') {
            Some((option, value)) if option.starts_with("--") => (option, Some(value)),
            _ => (word, None),
        };
        let mut value = || {
            let value = joined.or_else(|| words.next());
            value.ok_or_else(|| notes.not_understood(location, format!("`{option}` has no value")))
        };
        match option {
            "-t" | "--tcp-service" => found.service = Some(("-t", value()?)),
            "-u" | "--udp-service" => found.service = Some(("-u", value()?)),
            "--sctp-service" => found.service = Some(("--sctp-service", value()?)),
            "-f" | "--fwmark-service" => found.service = Some(("-f", value()?)),
            "-6" | "--ipv6" => found.ipv6 = true,
            "-s" | "--scheduler" => found.scheduler = Some(value()?),
            "-M" | "--netmask" => found.netmask = Some(value()?),
            "--pe" => found.engine = Some(value()?),
            "-o" | "--ops" => found.one_packet = true,
            "-b" | "--sched-flags" => found.flags = Some(value()?),
            "-r" | "--real-server" => found.real_server = Some(value()?),
            "-g" | "--gatewaying" => found.forwarding = Some("-g"),
            "-i" | "--ipip" => found.forwarding = Some("-i"),
            "-m" | "--masquerading" => found.forwarding = Some("-m"),
            "--tun-type" => found.tunnelling.kind = Some(value()?),
            "--tun-port" => found.tunnelling.port = Some(value()?),
            "--tun-nocsum" => found.tunnelling.checksum = Checksum::None,
            "--tun-csum" => found.tunnelling.checksum = Checksum::Sum,
            "--tun-remcsum" => found.tunnelling.checksum = Checksum::Remote,
            "-w" | "--weight" => found.weight = Some(value()?),
            "-x" | "--u-threshold" => found.upper_threshold = Some(value()?),
            "-y" | "--l-threshold" => found.lower_threshold = Some(value()?),
            "-p" | "--persistent" => {
                let number = |word: &&str| word.bytes().all(|byte| byte.is_ascii_digit());
                found.is_persistent = true;
                found.persistence = joined.or_else(|| words.next_if(number));
            }
            _ => {
                let text = format!("`{word}` is left out: the option is not known here");
                notes.add(location, text);
            }
        }
    }
    Ok(found)
}
