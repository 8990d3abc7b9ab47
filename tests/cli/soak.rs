//! A long time with many servers that die and come back, and with reloads: the
//! agent does not grow.
//!
//! Twenty minutes with 2,000 servers, of which a quarter warm it up:
//!
//! ```text
//! cargo test --test cli soak -- --ignored --nocapture
//! ```
//!
//! `SOAK_SECONDS` and `SOAK_SERVERS` make it shorter.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use super::many::raise_file_limit;
use super::zoo::{number, size};
use super::{AMPLE, Behaviour, Server, Site, end, until};

/// Of one virtual service.
const EACH: usize = 50;
/// Virtual services whose network is one and the same.
const OF_A_NETWORK: usize = 4;
/// From one death, resurrection or reload to the next.
const STEP: Duration = Duration::from_secs(5);
/// By how much the agent may have grown at the end, in percent.
const GROWTH: usize = 5;

/// The first service is left out of every other configuration, and the weights
/// of the others change.
fn configuration(networks: &[Site], services: usize, odd: bool) -> String {
    let port = networks[0].port;
    let mut text = String::new();
    for service in usize::from(odd)..services {
        let network = &networks[service / OF_A_NETWORK];
        let weight = if odd { 10 } else { 20 };
        writeln!(
            text,
            "  - name: s{service}\n    address: 192.0.{}.{}:80\n    \
             check: {{ http: {{ path: /, port: {port} }}, interval: 2s, timeout: 1s, rise: 1, fall: 1 }}\n    \
             real_servers:",
            2 + service / 200,
            1 + service % 200
        )
        .unwrap();
        for place in 0..EACH {
            let host = u8::try_from(1 + service % OF_A_NETWORK * EACH + place).unwrap();
            let ip = network.ip(host);
            writeln!(
                text,
                "      - {{ name: rs{place}, address: {ip}, weight: {weight} }}"
            )
            .unwrap();
        }
    }
    text
}

#[test]
#[ignore = "it takes 20 minutes"]
#[expect(
    clippy::disallowed_methods,
    reason = "the agent's clock is not for tests"
)]
fn a_long_time_makes_the_agent_no_larger() {
    raise_file_limit();
    let long = Duration::from_secs(number("SOAK_SECONDS", 20 * 60));
    let servers = usize::try_from(number("SOAK_SERVERS", 2000)).unwrap();
    let services = servers.div_ceil(EACH);
    let networks: Vec<_> = (0..services.div_ceil(OF_A_NETWORK))
        .map(|_| Site::new())
        .collect();
    let site = &networks[0];
    let all: Vec<_> = (0..services * EACH)
        .map(|place| {
            let network = &networks[place / EACH / OF_A_NETWORK];
            let host = u8::try_from(1 + place % (OF_A_NETWORK * EACH)).unwrap();
            (network.ip(host), site.port).into()
        })
        .collect();
    let (steady, mortal) = all.split_at(all.len() - all.len() / 10);
    let mortal = Server::start(mortal, Behaviour::good());
    let _steady = Server::start(steady, Behaviour::good());
    site.configure(&configuration(&networks, services, false));
    let mut agent = site.agent();

    let begun = Instant::now();
    let (mut warm, mut steps, mut reloads) = (None, 0_u32, 0);
    while begun.elapsed() < long {
        steps += 1;
        match steps % 4 {
            1 => mortal.set(Behaviour::status("503 Service Unavailable")),
            3 => mortal.set(Behaviour::good()),
            _ => {
                site.configure(&configuration(&networks, services, steps % 8 > 3));
                let ended = end(site.command("reload", &[]));
                assert_eq!(ended.code, 0, "{}", ended.stderr);
                reloads += 1;
            }
        }
        let next = begun + STEP * steps;
        until(STEP * 2 + AMPLE, "the next step", || {
            if Instant::now() >= next {
                Ok(())
            } else {
                Err(())
            }
        });
        if warm.is_none() && begun.elapsed() >= long / 4 {
            warm = Some(size(&agent));
        }
    }
    let (warm, last) = (warm.unwrap(), size(&agent));
    let deaths = site.sum("lvs_transitions_total", "to=\"down\"");
    println!(
        "{} servers, {reloads} reloads and {deaths} deaths in {long:?}: KiB, threads and \
         descriptors {warm:?} after a quarter, {last:?} at the end",
        all.len()
    );
    assert!(deaths > 0.0);
    assert!(
        last[0] <= warm[0] + warm[0] * GROWTH / 100,
        "{warm:?} KiB, threads and descriptors became {last:?}"
    );
    agent.signal(nix::sys::signal::Signal::SIGTERM);
    assert_eq!(agent.wait(AMPLE).code(), Some(0));
}
