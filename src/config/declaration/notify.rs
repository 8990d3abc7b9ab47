//! The keys of `notify`.

use super::super::WebhookFormat;
use super::trust::{CA, VERIFY};
use super::{
    ANY_TEXT, Alternatives, DAY, Default, ELSEWHERE, Kind, Mapping, NAME, Optional, PATH, Required,
    SECRET, Text, key, millis, seconds, text, words,
};

/// The kinds of targets.
pub(in crate::config) const TARGETS: [&str; 3] = ["exec", "webhook", "mail"];

pub(in crate::config) static NOTIFY: Mapping = Mapping::new(
    "notify",
    "an entry of `notify`",
    "A program, a webhook or a mail that receives events.",
    &[&[
        key(
            "name",
            Kind::Text(NAME),
            Optional("its index in `notify`, from 0"),
            "The target's name in `lvs_notifications_total` and the log.",
        ),
        key(
            "exec",
            Kind::List(&Kind::Text(ANY_TEXT), 1),
            Optional("`webhook` or `mail`"),
            "A program's absolute path and its arguments; there is no shell.",
        ),
        key(
            "webhook",
            Kind::Mapping(&WEBHOOK),
            Optional("`exec` or `mail`"),
            "A URL that events are posted to.",
        ),
        key(
            "mail",
            Kind::Mapping(&MAIL),
            Optional("`exec` or `webhook`"),
            "Addresses that get events by mail.",
        ),
        key(
            "timeout",
            millis(100, 60_000),
            Default("10s"),
            "For one attempt to deliver a message.",
        ),
        key(
            "group_wait",
            millis(0, 3_600_000),
            Optional(
                "each event is a message of its own; `10s` for `mail`, `1s` for the format \
                 `alertmanager_api`",
            ),
            "How long an event waits for others, which are delivered with it as one message.",
        ),
        key(
            "repeat_interval",
            seconds(1, 30 * DAY),
            Optional(
                "a condition is told when it begins, changes and ends; `1m` for the format \
                 `alertmanager_api`",
            ),
            "How often a condition that goes on is told again.",
        ),
    ]],
)
.with(Alternatives::ExactlyOne(&TARGETS));

pub(in crate::config) const URL: Text = text(
    "a URL that starts with `https://` or `http://`",
    "write it like `https://hooks.example.com/lvs`",
    "(?i)^https?://.+",
);

pub(in crate::config) static WEBHOOK: Mapping = Mapping::new(
    "webhook",
    "a webhook",
    "A URL that takes events as JSON.",
    &[&[
        key(
            "url",
            Kind::AnyOf(&[Kind::Text(URL), ELSEWHERE]),
            Required("add a line like `url: http://192.168.11.5/lvs`"),
            "Where events are posted to.",
        ),
        key(
            "format",
            Kind::Choice(words::<WebhookFormat>),
            Default("event"),
            "What is posted.",
        ),
        key(
            "headers",
            Kind::Map(&SECRET),
            Optional("no further headers"),
            "Headers that are sent with every event, values in printable ASCII.",
        ),
        CA,
        VERIFY,
    ]],
);

pub(in crate::config) const MAIL_ADDRESS: Text = text(
    "an address such as `ops@example.com`",
    "write the bare address, without a name and `<>`",
    "^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~][A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]*(@[A-Za-z0-9.-]+)?$",
);

pub(in crate::config) static MAIL: Mapping = Mapping::new(
    "mail",
    "a mail",
    "Mail that the host's `sendmail` takes over.",
    &[&[
        key(
            "to",
            Kind::AnyOf(&[
                Kind::Text(MAIL_ADDRESS),
                Kind::List(&Kind::Text(MAIL_ADDRESS), 1),
            ]),
            Required("add a line like `to: [ops@example.com]`"),
            "The addresses, 100 at the most.",
        ),
        key(
            "from",
            Kind::Text(MAIL_ADDRESS),
            Required("add a line like `from: lvs-agent@example.com`"),
            "The sender, who gets what cannot be delivered.",
        ),
        key(
            "sendmail",
            Kind::Text(PATH),
            Default("/usr/sbin/sendmail"),
            "The program, which is called with `-i -f FROM TO...`.",
        ),
    ]],
);
