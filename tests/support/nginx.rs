use std::fmt::Write as _;
use std::fs;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::Command;
use std::time::Duration;

use super::{Namespace, Process, http_get, until};

/// Starts nginx on port 80 of all addresses; it answers every path with
/// `page`. Returns once it does.
pub(crate) fn nginx(namespace: &Namespace, page: &str) -> Process {
    let own = SocketAddr::from((Ipv4Addr::LOCALHOST, 80));
    let any = [
        SocketAddr::from((Ipv4Addr::UNSPECIFIED, 80)),
        SocketAddr::from((Ipv6Addr::UNSPECIFIED, 80)),
    ];
    start(namespace, page, &any, own)
}

/// The same on one address alone.
pub(crate) fn nginx_on(namespace: &Namespace, page: &str, address: SocketAddr) -> Process {
    start(namespace, page, &[address], address)
}

/// Returns once `asked` answers.
fn start(namespace: &Namespace, page: &str, on: &[SocketAddr], asked: SocketAddr) -> Process {
    let listen = on.iter().fold(String::new(), |mut listen, address| {
        let _ = write!(listen, "listen {address}; ");
        listen
    });
    let directory = tempfile::tempdir().expect("a temporary directory");
    let at = directory.path().display();
    // One process, so that ending it by its id ends nginx.
    let configuration = format!(
        "daemon off;
        master_process off;
        pid {at}/pid;
        error_log stderr;
        events {{}}
        http {{
            access_log off;
            client_body_temp_path {at}/body;
            proxy_temp_path {at}/proxy;
            fastcgi_temp_path {at}/fastcgi;
            uwsgi_temp_path {at}/uwsgi;
            scgi_temp_path {at}/scgi;
            server {{
                {listen}
                location / {{ return 200 '{page}'; }}
            }}
        }}
        "
    );
    let file = directory.path().join("nginx.conf");
    fs::write(&file, configuration).expect("nginx's configuration");

    let mut command = Command::new("nginx");
    command.arg("-e").arg("stderr").arg("-c").arg(file);
    let process = namespace.spawn_with(command, directory);
    until(Duration::from_secs(20), "answer from nginx", || {
        http_get(namespace, asked, Duration::from_secs(5))
            .map_err(|error| (error, process.output()))
    });
    process
}
