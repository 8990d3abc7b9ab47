use super::Namespace;

/// The IPVS table as `ipvsadm -Sn` prints it, with its lines sorted: services
/// (`-A`) before destinations (`-a`).
pub(crate) fn ipvsadm_save(namespace: &Namespace) -> String {
    let saved = namespace.run("ipvsadm -Sn");
    let mut lines: Vec<&str> = saved.lines().map(str::trim_end).collect();
    lines.sort_unstable();
    lines.iter().flat_map(|line| [line, "\n"]).collect()
}
