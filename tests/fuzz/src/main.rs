//! libFuzzer over what lvs-agent reads from outside: the environment variable
//! `FUZZ_TARGET` names the door that the inputs go through.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use lvs_agent::fuzzing;

static DOOR: LazyLock<fn(&[u8])> = LazyLock::new(|| {
    let target = std::env::var("FUZZ_TARGET").expect("FUZZ_TARGET names a target");
    match target.as_str() {
        // What a real server's agent, HAProxy's, a program or a file says of itself.
        "agent" => fuzzing::agent_answer,
        // Frames in turn, and how much the audit keeps of them.
        "arp_audit" => fuzzing::audit,
        // The text of a configuration, up to all that is said of it.
        "configuration" => fuzzing::configuration,
        // A server of HTTP, of steps over TCP or of gRPC, against our side of it.
        "conversation" => fuzzing::conversation,
        // The answer of a DNS server.
        "dns" => fuzzing::dns_answer,
        // The file of what is drained.
        "drains" => fuzzing::drains,
        // A frame of ARP or neighbour discovery.
        "frames" => fuzzing::frame,
        // A file of keepalived (`k` before it), ldirectord (`l`) or ipvsadm, up to our own.
        "import" => fuzzing::foreign_file,
        // A message of IPVS's or rtnetlink's; the first byte says which.
        "netlink" => fuzzing::netlink,
        // A state file, which is also written and read again.
        "state" => fuzzing::state,
        other => panic!("there is no target `{other}`"),
    }
});

fuzz_target!(|bytes: &[u8]| DOOR(bytes));
