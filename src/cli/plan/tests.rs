use super::*;
use crate::config::ProbeMark;
use crate::kernel::MemoryIpvs;
use crate::model::{Scheduler, Service, ServiceFlags};
use crate::plan::Step;
use crate::status::fixture::config_through_vip;

/// What `plan` notes for two real servers, each asked through the VIP, and a
/// service of somebody else's by the second of so many marks.
async fn noted(bits: u32) -> Vec<String> {
    let mut config = config_through_vip();
    config.virtual_services.truncate(1);
    config.director.probe_mark = ProbeMark::new(0x2000, bits).unwrap();
    let mut table = MemoryIpvs::default();
    let service = Service {
        scheduler: Scheduler::round_robin(),
        flags: ServiceFlags::default(),
        persistence: None,
    };
    let key = "fwmark 8193 ipv4".parse().unwrap();
    let write = Step::AddService { key, service };
    for result in table.write(&[write]).await {
        result.unwrap();
    }
    let state_dir = tempfile::tempdir().unwrap();
    let role = Role::Director;
    let snapshot = Arc::new(Snapshot::empty(role, "".into(), clock::wall()));
    let mut reconciler = Reconciler::new(
        Kernel::in_memory(table),
        StateFile::new(state_dir.path(), role),
        Writing::DryRun,
        snapshot,
        Arc::new(Metrics::new([]).unwrap()),
    )
    .unwrap();
    let adopted = adopt(&mut reconciler, &config).await.unwrap();
    let notes = notes(
        &config,
        &reconciler,
        &adopted.desired,
        &adopted.observed.foreign,
    );
    let of_marks = |note: &String| note.contains("director.probe_mark");
    notes.into_iter().filter(of_marks).collect()
}

#[tokio::test]
async fn marks_of_others_and_marks_that_run_out_are_noted() {
    let few = noted(1).await;
    assert_eq!(few.len(), 2, "{few:?}");
    assert!(
        few[0].ends_with("if nobody needs it: ipvsadm -D -f 8193"),
        "{few:?}"
    );
    assert_eq!(
        few[1],
        "no mark of `director.probe_mark` is left for 2 of 2 ways to real servers (ipv4 to \
         192.168.11.21 by direct, and 1 more): probes through VIPs over them stay unverified; \
         give `mask` of `director.probe_mark` more bits, or remove what others have by its marks \
         and nobody needs: ipvsadm -D -f 8193"
    );
    assert_eq!(noted(3).await, few[..1], "as there are enough");
}

#[tokio::test]
async fn drains_or_state_of_newer_program_are_refused_by_plan_and_doctor() {
    let state_dir = tempfile::tempdir().unwrap();
    let mut config = config_through_vip();
    config.state_dir = state_dir.path().to_owned();
    config.control.socket = state_dir.path().join("control.sock");
    for file in ["drains.json", "director.json"] {
        let path = state_dir.path().join(file);
        std::fs::write(&path, r#"{"version":9,"drains":[],"all":"different"}"#).unwrap();
        let planned = observer(&config, Role::Director).err().unwrap();
        let doctor = doctor::gather(&config, &path, Role::Director).await;
        let of_doctor = crate::runtime::error_chain::error_chain(&doctor.err().unwrap());
        for message in [
            crate::runtime::error_chain::error_chain(&planned),
            of_doctor,
        ] {
            let newer = "version 9, which a newer lvs-agent wrote and this one cannot read";
            assert!(message.contains(newer), "{message}");
            assert!(message.contains(file), "{message}");
        }
        std::fs::remove_file(&path).unwrap();
    }
}

#[test]
fn line_has_the_colour_of_its_sign() {
    for (line, expected) in [
        ("+ virtual service tcp 192.0.2.1:80", Some(Tone::Addition)),
        (
            "~ sysctl net.ipv4.conf.lo.arp_ignore: 0 -> 1",
            Some(Tone::Warning),
        ),
        ("- address 192.0.2.1/32 dev lo", Some(Tone::Problem)),
        (
            "# rs1 of web: weight 0 until its check passes, then 1",
            None,
        ),
        ("", None),
    ] {
        assert_eq!(tone(line), expected, "{line}");
    }
}
