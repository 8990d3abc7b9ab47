//! Single steps of the work of the agent, each ready to be made again and again.

use std::hint::black_box;
use std::net::SocketAddr;

use lvs_agent::benchmarking::{
    Health, Schedule, decode_destination, desired, encode, http_answer, http_request,
};
use lvs_agent::config::{CheckKind, Config};
use lvs_agent::model::Weight;
use lvs_agent::plan::{State, Step, diff};

/// An answer as nginx gives it.
const ANSWER: &[u8] =
    b"HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nDate: Fri, 27 Nov 2026 04:00:00 GMT\r\n\
    Content-Type: text/plain\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
/// A destination as the kernel dumps it, after the byte that chooses the target of the fuzzer.
const DESTINATION: &[u8] = include_bytes!("../../../fuzz/corpus/netlink/destination");
/// In one turn of `health_one_of_49_fails`: no divisor of the number of real servers, so that each
/// real server fails in turn.
const TURN: usize = 49;

/// One step, by its name.
pub struct Benchmark {
    pub name: &'static str,
    /// What one call of `step` counts for.
    pub elements: u64,
    /// Makes all that the steps need.
    pub prepare: fn() -> Box<dyn FnMut()>,
}

pub const BENCHMARKS: [Benchmark; 9] = [
    of_one("schedule", schedule),
    of_one("http_request", request),
    of_one("http_answer", answer),
    of_one("codec_encode_weight", encode_weight),
    of_one("codec_decode_destination", decode),
    of_one("health_pass", health_pass),
    Benchmark {
        name: "health_one_of_49_fails",
        elements: TURN as u64,
        prepare: health_failures,
    },
    Benchmark {
        name: "diff_same",
        elements: 37_205,
        prepare: diff_same,
    },
    Benchmark {
        name: "diff_all_new",
        elements: 37_205,
        prepare: diff_all_new,
    },
];

const fn of_one(name: &'static str, prepare: fn() -> Box<dyn FnMut()>) -> Benchmark {
    Benchmark {
        name,
        elements: 1,
        prepare,
    }
}

/// From one probe to the next of a check at 1 s.
fn schedule() -> Box<dyn FnMut()> {
    let mut schedule = Schedule::default();
    Box::new(move || assert!(schedule.turn()))
}

/// The bytes of a request.
fn request() -> Box<dyn FnMut()> {
    let config = config(1, 1);
    let target = SocketAddr::from(([127, 64, 0, 1], 18080));
    Box::new(move || {
        let CheckKind::Http(check) = &config.virtual_services[0].check.kind else {
            unreachable!("the check is `http`");
        };
        black_box(http_request(black_box(target), check)).expect("a request");
    })
}

/// The answer to a request, parsed to its end.
fn answer() -> Box<dyn FnMut()> {
    Box::new(|| {
        let request = black_box(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").to_vec();
        assert_eq!(http_answer(request, ANSWER), Some(200));
    })
}

/// The message that sets the weight of a destination to 0.
fn encode_weight() -> Box<dyn FnMut()> {
    let (service, state) = table(1, 1).services.pop_first().expect("one service");
    let (key, from) = state
        .destinations
        .into_iter()
        .next()
        .expect("one destination");
    let mut to = from;
    to.weight = Weight::ZERO;
    let step = Step::SetDestination {
        service,
        key,
        from,
        to,
    };
    Box::new(move || {
        black_box(encode(black_box(&step))).expect("a message");
    })
}

/// One destination of a dump.
fn decode() -> Box<dyn FnMut()> {
    Box::new(|| assert!(decode_destination(black_box(&DESTINATION[1..]))))
}

/// A passed probe of one of 20,000 real servers that are up.
fn health_pass() -> Box<dyn FnMut()> {
    let mut health = health();
    Box::new(move || health.report(true))
}

/// 49 probes of 20,000 real servers: one goes down, and one that was down comes up.
fn health_failures() -> Box<dyn FnMut()> {
    let mut health = health();
    Box::new(move || (0..TURN).for_each(|place| health.report(place != 0)))
}

/// A table of 37,205 destinations that is as it should be.
fn diff_same() -> Box<dyn FnMut()> {
    let (desired, actual) = (table(2_277, 37_205), table(2_277, 37_205));
    Box::new(move || assert!(diff(black_box(&desired), black_box(&actual)).is_empty()))
}

/// A table of 37,205 destinations beside an empty one.
fn diff_all_new() -> Box<dyn FnMut()> {
    let (desired, actual) = (table(2_277, 37_205), State::default());
    let steps = 2_277 + 37_205 + desired.sysctls.len();
    Box::new(move || assert_eq!(diff(black_box(&desired), &actual).len(), steps))
}

fn health() -> Health {
    Health::new(config(1_000, 20_000)).expect("metrics of different names")
}

fn table(services: usize, real_servers: usize) -> State {
    desired(&config(services, real_servers))
}

fn config(services: usize, real_servers: usize) -> Config {
    let mut text = "virtual_services:\n".to_owned();
    for service in 0..services {
        let (high, low) = (service / 250, 1 + service % 250);
        text += &format!("  - name: s{service}\n    address: 172.16.{high}.{low}:80\n");
        text += "    check: { http: { path: /health }, rise: 1, fall: 1 }\n    real_servers:\n";
        let own = real_servers / services + usize::from(service < real_servers % services);
        for place in 0..own {
            let number = service + place * services;
            let (high, middle, low) = (64 + number / 62_500, number / 250 % 250, 1 + number % 250);
            text += &format!("      - {{ name: rs{place}, address: 10.{high}.{middle}.{low} }}\n");
        }
    }
    Config::parse("cluster.yaml", &text).expect("a valid configuration")
}
