use super::Namespace;

/// The IPVS table as `ipvsadm -Sn` prints it, with its lines sorted: services
/// (`-A`) before destinations (`-a`).
///
/// The kernel resumes a dump by counting the services of all network namespaces
/// (`ip_vs_genl_dump_services`). So `ipvsadm` lists a service twice if another test adds
/// one between two messages; and of a table that fills several messages, `ipvsadm` leaves
/// services out if others go.
pub(crate) fn ipvsadm_save(namespace: &Namespace) -> String {
    let saved = namespace.run("ipvsadm -Sn");
    let mut lines: Vec<&str> = saved.lines().map(str::trim_end).collect();
    lines.sort_unstable();
    lines.dedup();
    lines.iter().flat_map(|line| [line, "\n"]).collect()
}
