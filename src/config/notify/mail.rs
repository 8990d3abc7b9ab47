//! The mapping `mail`.

use super::super::Mail;
use super::super::declaration::{MAIL, MAIL_ADDRESS};
use super::super::fields::Fields;
use super::super::node::{Content, Entry, Node};
use super::super::problem::{Parsed, Problems};
use super::super::scalar::Value;

/// Whoever has more readers has a list for them.
const MOST_ADDRESSES: usize = 100;

/// What stands in an address beside letters and digits (`atext` of RFC 5322,
/// section 3.2.3, and dots): nothing that ends a header.
const SPECIAL: &str = ".!#$%&'*+/=?^_`{|}~-";

/// With these, an address begins as an option, or as a program or a file to which sendmail
/// programs deliver.
const NO_BEGIN: [char; 3] = ['-', '|', '/'];

pub(super) fn mail(entry: &Entry, problems: &mut Problems) -> Parsed<Mail> {
    let fields = Fields::read(&entry.value, &MAIL, problems)?;
    let to = fields
        .value("to", problems)
        .and_then(|value| addresses(value, problems));
    let from = fields
        .value("from", problems)
        .and_then(|value| address(value, problems));
    let sendmail = fields.value("sendmail", problems).and_then(|value| {
        let path = value.path_text(problems)?;
        problems.warn_of_program(value.node.location, path);
        Ok(path.to_owned())
    });
    Ok(Mail {
        to: to?,
        from: from?,
        sendmail: sendmail?,
    })
}

fn addresses(value: Value<'_>, problems: &mut Problems) -> Parsed<Vec<String>> {
    let hint = "write a list like `[ops@example.com, root]`";
    let single = |node: &Node| matches!(node.content(), Content::Text(_));
    let Some(nodes) = value.node.one_or_many(single) else {
        return Err(value.wrong("a list of addresses", hint, problems));
    };
    if nodes.is_empty() || nodes.len() > MOST_ADDRESSES {
        let message = format!("`to` has {} addresses", nodes.len());
        let hint = format!("write 1 to {MOST_ADDRESSES}; for more readers, write a mailing list");
        return Err(problems.add(value.node.location, message, hint));
    }
    let read: Vec<_> = nodes
        .iter()
        .map(|node| address(Value { node, ..value }, problems))
        .collect();
    read.into_iter().collect()
}

/// Of this host, or with a domain.
fn address(value: Value<'_>, problems: &mut Problems) -> Parsed<String> {
    value
        .text(MAIL_ADDRESS, is_address, problems)
        .map(str::to_owned)
}

fn is_address(text: &str) -> bool {
    let (local, domain) = match text.split_once('@') {
        Some((local, domain)) => (local, Some(domain)),
        None => (text, None),
    };
    let is_local = |c: char| c.is_ascii_alphanumeric() || SPECIAL.contains(c);
    let is_domain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
    !local.is_empty()
        && !local.starts_with(NO_BEGIN)
        && local.chars().all(is_local)
        && domain.is_none_or(|domain| !domain.is_empty() && domain.chars().all(is_domain))
}
