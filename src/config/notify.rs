//! The list `notify`.

mod mail;
mod webhook;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::TlsSettings;
use super::declaration::{NOTIFY, TARGETS};
use super::fields::Fields;
use super::node::{Content, Entry, Node};
use super::problem::{Parsed, Problems, quoted};
use super::scalar::{Value, found, list};
use super::secret::Secret;
use super::webhook_format::WebhookFormat;

/// One entry of `notify`: a target of notifications.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notify {
    /// Its name in the log and in metrics.
    pub name: Option<Arc<str>>,
    /// How events reach the target.
    pub target: NotifyTarget,
    /// For one attempt to tell it.
    pub timeout: Duration,
    /// How long an event waits for others that are delivered with it; `None` where
    /// each event is delivered alone.
    pub group_wait: Option<Duration>,
    /// How often a condition that goes on is notified of; `None` for once.
    pub repeat_interval: Option<Duration>,
}

impl Notify {
    /// What it is called in metrics, at this place of the list; no two share it.
    pub fn label(&self, place: usize) -> String {
        match &self.name {
            Some(name) => name.to_string(),
            None => place.to_string(),
        }
    }
}

/// How events reach a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotifyTarget {
    /// A program is run, without a shell.
    Exec {
        /// Its absolute path.
        program: String,
        /// What it is called with.
        arguments: Vec<String>,
    },
    /// A URL is posted to.
    Webhook(Webhook),
    /// Mail is sent.
    Mail(Mail),
}

/// Mail that the host's own program takes over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// At least one; of ASCII, with nothing that ends a header.
    pub to: Vec<String>,
    /// The sender; as above.
    pub from: String,
    /// The absolute path of `sendmail`.
    pub sendmail: String,
}

/// A URL that takes events as JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// With the scheme `http` or `https`.
    pub url: Secret,
    /// Sent with every event; names in lower case, values of printable ASCII.
    pub headers: BTreeMap<String, Secret>,
    /// What is posted.
    pub format: WebhookFormat,
    /// For `https`; `server_name` is the URL's host.
    pub tls: Option<TlsSettings>,
}

/// `group_wait` of mail: what fails together is one mail.
const MAIL_GROUP_WAIT: Duration = Duration::from_secs(10);

/// `group_wait` for Alertmanager, which takes many alerts at once as well as one.
const ALERT_GROUP_WAIT: Duration = Duration::from_secs(1);

/// `repeat_interval` for Alertmanager, which takes an alert as resolved that is
/// not sent again.
const ALERT_REPEAT_INTERVAL: Duration = Duration::from_mins(1);

pub(super) fn notify(entry: Option<&Entry>, problems: &mut Problems) -> Parsed<Vec<Notify>> {
    let Some(entry) = entry else {
        return Ok(Vec::new());
    };
    let hint = "list what is to be told, like `- exec: [/usr/local/bin/tell]` \
                or `- webhook: { url: http://192.168.11.5/lvs }`";
    let nodes = match entry.value.content() {
        Content::Sequence(nodes) => nodes.as_slice(),
        Content::Null => &[],
        Content::Bool(_) | Content::Number(_) | Content::Text(_) | Content::Mapping(_) => {
            return Err(Value::of(entry).wrong("a list", hint, problems));
        }
    };
    let read: Vec<_> = nodes.iter().map(|node| target(node, problems)).collect();
    let names = distinct_names(nodes, &read, problems);
    let targets = read.into_iter().collect();
    names.and(targets)
}

/// A name is a label of the metric; without one, the place is.
fn distinct_names(
    nodes: &[Node],
    targets: &[Parsed<Notify>],
    problems: &mut Problems,
) -> Parsed<()> {
    let mut first = BTreeMap::new();
    let mut all = Ok(());
    for (place, (node, target)) in nodes.iter().zip(targets).enumerate() {
        let Ok(target) = target else {
            continue;
        };
        let label = target.label(place);
        if let Some(line) = first.get(&label) {
            let message = format!(
                "the name {} is already that of the entry of `notify` on line {line}",
                quoted(&label)
            );
            let hint = "give each a name of its own; without one, the name is the index from 0";
            all = Err(problems.add(node.location, message, hint));
        } else {
            first.insert(label, node.location.line());
        }
    }
    all
}

fn target(node: &Node, problems: &mut Problems) -> Parsed<Notify> {
    let fields = Fields::read(node, &NOTIFY, problems)?;
    let name = fields.maybe("name", |value| value.name(problems));
    let timeout = fields.duration("timeout", problems);
    let group_wait = fields.maybe("group_wait", |value| value.duration(problems));
    let repeat_interval = fields.maybe("repeat_interval", |value| value.duration(problems));
    let target = kind(&fields, problems)?;
    let (default_wait, default_interval) = match &target {
        NotifyTarget::Mail(_) => (Some(MAIL_GROUP_WAIT), None),
        NotifyTarget::Webhook(webhook) if webhook.format == WebhookFormat::AlertmanagerApi => {
            (Some(ALERT_GROUP_WAIT), Some(ALERT_REPEAT_INTERVAL))
        }
        NotifyTarget::Webhook(_) | NotifyTarget::Exec { .. } => (None, None),
    };
    Ok(Notify {
        name: name?,
        target,
        timeout: timeout?,
        group_wait: group_wait?.or(default_wait),
        repeat_interval: repeat_interval?.or(default_interval),
    })
}

fn kind(fields: &Fields<'_>, problems: &mut Problems) -> Parsed<NotifyTarget> {
    let mut given = Vec::new();
    for name in TARGETS {
        given.extend(fields.optional(name)?);
    }
    match given.as_slice() {
        [entry] => match &*entry.key.value {
            "exec" => exec(Value::of(entry), problems),
            "webhook" => webhook::webhook(entry, problems).map(NotifyTarget::Webhook),
            _ => mail::mail(entry, problems).map(NotifyTarget::Mail),
        },
        [] => Err(problems.add(
            fields.location,
            format!("an entry of `notify` has none of {}", list(&TARGETS, "and")),
            "add a line like `exec: [/usr/local/bin/tell]`",
        )),
        [first, second, ..] => Err(problems.add(
            second.key.location,
            format!(
                "an entry of `notify` has one of {}, and this one has `{}` and `{}`",
                list(&TARGETS, "and"),
                first.key.value,
                second.key.value
            ),
            "make an entry of each",
        )),
    }
}

fn exec(value: Value<'_>, problems: &mut Problems) -> Parsed<NotifyTarget> {
    let wanted = "a list of texts: a program and its arguments";
    let hint = "write it like `[/usr/local/bin/tell, --loud]`; there is no shell";
    let Content::Sequence(nodes) = value.node.content() else {
        return Err(value.wrong(wanted, hint, problems));
    };
    let mut words = Vec::new();
    let mut all = Ok(());
    for node in nodes {
        if let Some(text) = node.text().filter(|text| !text.contains('\0')) {
            words.push(text.to_owned());
        } else {
            let message = format!("{} is not a text", found(node));
            let hint = "put it in quotes to make it a text";
            all = Err(problems.add(node.location, message, hint));
        }
    }
    all?;
    let mut words = words.into_iter();
    match words.next() {
        Some(program) if program.starts_with('/') => {
            let location = nodes.first().map_or(value.node.location, |n| n.location);
            problems.warn_of_program(location, &program);
            Ok(NotifyTarget::Exec {
                program,
                arguments: words.collect(),
            })
        }
        Some(program) => {
            let location = nodes.first().map_or(value.node.location, |n| n.location);
            let message = format!("{} is not an absolute path", quoted(&program));
            let hint = "write the program's path from `/` on: no `PATH` is searched";
            Err(problems.add(location, message, hint))
        }
        None => Err(problems.add(value.node.location, "the list `exec` is empty", hint)),
    }
}
