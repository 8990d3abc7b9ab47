//! Numbers of the manual and of the annotated example that are constants of the source.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use regex::Regex;

use super::assert_none;
use super::page::{page, root};

/// How a row begins, and the constant whose value is in it: its file and its name.
type Bound = (&'static str, &'static str, &'static str);

const BOUNDS: [Bound; 70] = [
    ("reason of a drain", "reason.rs", "LONGEST"),
    ("targets of an operation", "request.rs", "TARGETS_NAMED"),
    ("body of an HTTP answer |", "body.rs", "BODY_LIMIT"),
    ("body of an HTTP answer of which", "body.rs", "LONGEST"),
    ("status of a real server's agent", "agent.rs", "LARGEST"),
    ("gRPC answer", "grpc.rs", "ANSWER_LIMIT"),
    ("text of a step", "stream.rs", "ANSWER_LIMIT"),
    ("line of `haproxy_agent`", "haproxy_agent.rs", "LINE"),
    ("first line of `exec`", "output.rs", "LINE"),
    ("first line of `exec`", "file.rs", "LINE"),
    ("output of `exec`", "output.rs", "PIPE"),
    ("processes left behind", "mark.rs", "MOST"),
    ("DNS answer", "dns.rs", "DATAGRAM"),
    ("datagrams examined", "datagrams.rs", "MAX_DATAGRAMS"),
    ("one turn of one connection", "connect.rs", "TURN"),
    ("one turn of one connection", "connect.rs", "READS"),
    ("answer quoted", "progress.rs", "SHOWN"),
    ("message of a real server's agent", "detail.rs", "LONGEST"),
    ("head of an HTTP answer", "head.rs", "MAX_HEADERS"),
    ("making of a connection", "connection.rs", "ESTABLISHING"),
    (
        "text that a real server sends",
        "connection.rs",
        "DISCARDED",
    ),
    (
        "probes that follow the end",
        "brought_forward.rs",
        "FOLLOWING",
    ),
    ("probes that the ends", "budget.rs", "AT_ONCE"),
    ("wait for the next connection", "state.rs", "LONGEST_WAIT"),
    ("chunks of an HTTP body", "decoder.rs", "MAX_EXTENSIONS"),
    ("chunks of an HTTP body", "decoder.rs", "MAX_TRAILERS"),
    ("chunks of an HTTP body", "decoder.rs", "MAX_TRAILER_LINES"),
    ("unknown MAC addresses", "audit.rs", "MOST_FOREIGN_HOSTS"),
    ("questions for each VIP", "audit.rs", "AGAIN"),
    ("real servers asked for", "audit.rs", "LOOKUPS"),
    ("configuration file", "source.rs", "LARGEST"),
    ("configuration file", "include.rs", "MOST_FILES"),
    ("configuration file", "yaml.rs", "MAX_VALUES"),
    ("mistakes in a configuration", "problem.rs", "MOST"),
    ("nesting of a configuration", "yaml.rs", "MAX_DEPTH"),
    ("nesting of a configuration", "yaml.rs", "MAX_ALIASED"),
    ("threads that wait", "claims.rs", "PER_DIRECTORY"),
    ("threads that wait", "file_work.rs", "PATIENCE"),
    ("wait for the state file", "stored_ownership.rs", "SAVING"),
    ("age of certificates", "shared.rs", "FRESH"),
    ("age of certificates", "shared.rs", "AGAIN"),
    (
        "connections to `http.listen`",
        "connection_slots.rs",
        "SLOTS",
    ),
    (
        "connections to `http.listen`",
        "connection_slots.rs",
        "REQUEST_GRACE",
    ),
    (
        "connections to `http.listen`",
        "connection_slots.rs",
        "READING_GRACE",
    ),
    ("head of a request", "connection_slots.rs", "HEAD_DEADLINE"),
    ("head of a request", "server.rs", "LONGEST_HEAD"),
    ("pause of a reader", "write_stall.rs", "STALL"),
    ("bytes of an answer that wait", "http.rs", "SEND_BUFFER"),
    ("bytes written to all", "pace.rs", "PIECE"),
    ("bytes written to all", "pace.rs", "PIECE_TIME"),
    (
        "answer to a request",
        "connection_slots.rs",
        "ANSWER_DEADLINE",
    ),
    (
        "wait for the next scrape",
        "connection_slots.rs",
        "IDLE_DEADLINE",
    ),
    ("renderings in memory", "rendering.rs", "IN_MEMORY"),
    ("text of the page's filter", "query.rs", "LONGEST_TEXT"),
    ("operations on the control socket", "request.rs", "WAITING"),
    ("events that wait", "queue.rs", "DEPTH"),
    ("events in one message", "queue.rs", "LARGEST_GROUP"),
    ("attempts to deliver", "worker.rs", "ATTEMPTS"),
    ("transitions in `/status`", "transitions.rs", "KEPT"),
    ("detail of an event", "event.rs", "LONGEST_DETAIL"),
    ("lines of the log", "logging.rs", "WAITING_LINES"),
    ("lines on steps", "log_limit.rs", "LINES_AT_ONCE"),
    ("lines on real servers", "log_limit.rs", "SINGLE"),
    ("lines on probes", "probe_errors.rs", "MOST_REASONS"),
    ("requests to the kernel", "netlink.rs", "WINDOW"),
    ("requests to the kernel", "netlink.rs", "GET_WINDOW"),
    ("steps of one pass", "apply.rs", "LARGEST_BATCH"),
    ("one request to the kernel", "netlink.rs", "DEADLINE"),
    ("threads for probes", "workers.rs", "LARGEST_TABLE"),
    ("threads for probes", "workers.rs", "LARGEST_TIME"),
];

/// A page, a phrase of it with `{}` for the number, and the constant.
type Phrase = (&'static str, &'static str, &'static str, &'static str);

const PHRASES: [Phrase; 33] = [
    ("arp.md", "start, every {}, and right", "audit.rs", "PERIOD"),
    (
        "operations.md",
        "(`--reason`, at most {} characters)",
        "reason.rs",
        "LONGEST",
    ),
    (
        "arp.md",
        "and {} questions without",
        "audit.rs",
        "UNANSWERED",
    ),
    (
        "arp.md",
        "in conflict for {} after",
        "audit.rs",
        "ANNOUNCED",
    ),
    (
        "arp.md",
        "keepalived's: {} gratuitous ARP",
        "announcements.rs",
        "REPEAT",
    ),
    (
        "arp.md",
        "five more after {}, and then",
        "announcements.rs",
        "DELAY",
    ),
    (
        "configuration.md",
        "have at most {} and 1,000,000",
        "source.rs",
        "LARGEST",
    ),
    (
        "configuration.md",
        "16 MiB and {} keys and values",
        "yaml.rs",
        "MAX_VALUES",
    ),
    (
        "configuration.md",
        "At most {} mistakes",
        "problem.rs",
        "MOST",
    ),
    (
        "configuration.md",
        "make at most {} real servers",
        "range.rs",
        "MOST",
    ),
    (
        "configuration.md",
        "commands: 1 to {} letters",
        "name.rs",
        "LONGEST_NAME",
    ),
    (
        "health.md",
        "at least {} (a thread",
        "standstill.rs",
        "SHORTEST",
    ),
    (
        "health.md",
        "fewer than {} probes",
        "mass_failure.rs",
        "FEWEST",
    ),
    (
        "checks.md",
        "ones follow {} after",
        "brought_forward.rs",
        "PAUSE",
    ),
    (
        "checks.md",
        "or {} have followed",
        "brought_forward.rs",
        "FOLLOWING",
    ),
    (
        "checks.md",
        "asks every {} whether",
        "connection.rs",
        "KEEPALIVE",
    ),
    ("checks.md", "connections within {} of", "state.rs", "SHORT"),
    ("checks.md", "After {} such ends", "state.rs", "USELESS"),
    (
        "operations.md",
        "if {} attempts to deliver",
        "worker.rs",
        "ATTEMPTS",
    ),
    (
        "operations.md",
        "still waits {} after",
        "lifecycle.rs",
        "LAST_EVENTS",
    ),
    (
        "operations.md",
        "second, {} times in a row",
        "host_watch.rs",
        "REPAIRS",
    ),
    (
        "operations.md",
        "once in {}, so that",
        "host_watch.rs",
        "REFILL",
    ),
    (
        "operations.md",
        "has ended: after {} at the latest",
        "progress.rs",
        "LAST_ANSWERS",
    ),
    (
        "security.md",
        "content may be {} old",
        "rendering.rs",
        "READING_TIME",
    ),
    (
        "vip-probes.md",
        "Every {}, IPVS writes",
        "interception.rs",
        "CANARY_GOOD_FOR",
    ),
    (
        "cluster.yaml",
        "matching files (at most {})",
        "include.rs",
        "MOST_FILES",
    ),
    (
        "cluster.yaml",
        "at most {} events wait",
        "queue.rs",
        "DEPTH",
    ),
    (
        "cluster.yaml",
        "waiting events have {}.",
        "lifecycle.rs",
        "LAST_EVENTS",
    ),
    (
        "cluster.yaml",
        "socket, at most {} bytes",
        "sections.rs",
        "LONGEST_SOCKET_PATH",
    ),
    (
        "cluster.yaml",
        "in at most {} steps",
        "slow_start.rs",
        "STEPS",
    ),
    (
        "cluster.yaml",
        "steps ({} with sh and mh)",
        "slow_start.rs",
        "STEPS_OF_A_HASH",
    ),
    (
        "cluster.yaml",
        "forgotten every {}.",
        "damping.rs",
        "MEMORY",
    ),
    (
        "cluster.yaml",
        "make at most {} real servers",
        "range.rs",
        "MOST",
    ),
];

/// The files of this name in `directory` and below.
pub(crate) fn files(directory: &Path, name: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .flat_map(|path| match path.file_name() {
            _ if path.is_dir() => files(&path, name),
            Some(found) if found == name => vec![path],
            _ => Vec::new(),
        })
        .collect()
}

/// The values that constants of this name have in files of this name.
fn values(file: &str, name: &str) -> Vec<String> {
    let declaration = format!(r"const {name}: \w+ = ([^;]+);");
    let declaration = Regex::new(&declaration).unwrap();
    let texts = files(&root().join("src"), file).into_iter();
    let texts = texts.map(|path| fs::read_to_string(path).unwrap());
    texts
        .filter_map(|text| Some(declaration.captures(&text)?[1].to_owned()))
        .collect()
}

/// How a reader may write the value: `64 * 1024` as `64 KiB`, 1000 as `1,000`.
fn written(value: &str) -> Vec<String> {
    let digits = |text: &str| text.replace('_', "").parse::<u64>().unwrap();
    if let Some((unit, number)) = value
        .strip_prefix("Duration::from_")
        .and_then(|rest| rest.strip_suffix(')')?.split_once('('))
    {
        let number = digits(number);
        let duration = match unit {
            "millis" => Duration::from_millis(number),
            "secs" => Duration::from_secs(number),
            "mins" => Duration::from_mins(number),
            other => panic!("a duration in {other}"),
        };
        let seconds = duration.as_secs();
        return match duration.subsec_millis() {
            0 if seconds == 1 => vec!["1 s".to_owned(), "a second".to_owned()],
            0 if seconds.is_multiple_of(60) => {
                let minutes = seconds / 60;
                vec![format!("{minutes} min"), format!("{minutes} minutes")]
            }
            0 => vec![format!("{seconds} s")],
            _ => vec![format!("{} ms", duration.as_millis())],
        };
    }
    let number: u64 = value.split(" * ").map(digits).product();
    let mut written = vec![number.to_string()];
    let words = [
        "none", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
    ];
    let word = usize::try_from(number).ok().and_then(|it| words.get(it));
    written.extend(word.map(|word| (*word).to_owned()));
    if number >= 1000 {
        let (thousands, rest) = (number / 1000, number % 1000);
        written.push(match thousands / 1000 {
            0 => format!("{thousands},{rest:03}"),
            millions => format!("{millions},{:03},{rest:03}", thousands % 1000),
        });
    }
    for (unit, size) in [("KiB", 1024), ("MiB", 1024 * 1024)] {
        if number.is_multiple_of(size) {
            written.push(format!("{} {unit}", number / size));
        }
    }
    written
}

/// Whether `wanted` is in `row` and no part of a longer number.
fn contains(row: &str, wanted: &str) -> bool {
    row.match_indices(wanted).any(|(at, _)| {
        let before = row[..at].chars().next_back();
        let after = row[at + wanted.len()..].chars().next();
        let of_number = |c: char| c.is_ascii_digit();
        !before.is_some_and(|c| of_number(c) || c == ',') && !after.is_some_and(of_number)
    })
}

#[test]
fn bounds_are_those_of_the_source() {
    let page = page("deploy/manual/limits.md");
    let mut wrong = Vec::new();
    for (start, file, name) in BOUNDS {
        let start = format!("| {start}");
        let Some(row) = page.lines.iter().find(|row| row.text.starts_with(&start)) else {
            wrong.push(format!("{}: no row begins with `{start}`", page.name));
            continue;
        };
        let at = page.at(row.number);
        let values = values(file, name);
        if values.is_empty() {
            wrong.push(format!("{at}: no {file} in src has the constant {name}"));
        } else if !values
            .iter()
            .flat_map(|value| written(value))
            .any(|it| contains(&row.text, &it))
        {
            wrong.push(format!("{at}: {name} in {file} is {}", values.join(" or ")));
        }
    }
    assert_none(&wrong);
}

/// The words of a page or of the comments of an example, with a blank between
/// two, and the line of each byte.
fn running_text(path: &Path) -> (String, Vec<usize>) {
    let (mut text, mut lines) = (String::new(), Vec::new());
    for (number, line) in (1..).zip(fs::read_to_string(path).unwrap().lines()) {
        for word in line.split_whitespace().filter(|word| *word != "#") {
            text.push_str(word);
            text.push(' ');
            lines.resize(text.len(), number);
        }
    }
    (text, lines)
}

#[test]
fn numbers_in_phrases_are_those_of_the_source() {
    let mut wrong = Vec::new();
    for (page, phrase, file, name) in PHRASES {
        let directory = if page == "cluster.yaml" {
            "config"
        } else {
            "deploy/manual"
        };
        let path = format!("{directory}/{page}");
        let (text, lines) = running_text(&root().join(&path));
        let (before, _) = phrase.split_once("{}").unwrap();
        let Some(at) = text.find(before) else {
            wrong.push(format!("{path}: nothing says `{phrase}`"));
            continue;
        };
        let at = format!("{path}:{}", lines[at]);
        let values = values(file, name);
        let mut ways = values.iter().flat_map(|value| written(value));
        if values.is_empty() {
            wrong.push(format!("{at}: no {file} in src has the constant {name}"));
        } else if !ways.any(|number| text.contains(&phrase.replace("{}", &number))) {
            let values = values.join(" or ");
            wrong.push(format!("{at}: `{phrase}`: {name} in {file} is {values}"));
        }
    }
    assert_none(&wrong);
}
