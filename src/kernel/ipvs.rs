//! The kernel's IPVS table, over generic netlink.

#[cfg(benchmarking)]
pub(crate) mod benchmarking;
mod codec;
#[cfg(fuzzing)]
pub(super) mod fuzzing;
mod totals;
mod uapi;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use neli::consts::nl::NlmF;
use neli::err::BuilderError;
use rustix::io::Errno;

use super::attributes::DecodeError;
use super::netlink::{Failure, MessageType, Netlink, Protocol, Request};
use super::{Cause, Ipvs, KernelError, ObservedDestination, ObservedService};
use crate::model::{
    RealServerKey, Service, ServiceKey, SyncDaemon, SyncState, TableStatus, Timeout,
};
use crate::plan::Step;

const ENOENT: i32 = Errno::NOENT.raw_os_error();
const EEXIST: i32 = Errno::EXIST.raw_os_error();
const ESRCH: i32 = Errno::SRCH.raw_os_error();

/// The IPVS table of the network namespace in which the first request is made.
pub(crate) struct KernelIpvs {
    netlink: Netlink,
}

/// The version and size of the kernel's IPVS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct IpvsInfo {
    /// Major, minor and patch number: 1.2.1 since Linux 2.6.
    pub(crate) version: [u8; 3],
    /// Buckets of the connection table.
    pub(crate) connection_table_size: u32,
}

impl fmt::Display for IpvsInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [major, minor, patch] = self.version;
        let size = self.connection_table_size;
        write!(
            f,
            "IPVS {major}.{minor}.{patch}, connection table of {size}"
        )
    }
}

impl KernelIpvs {
    /// Opens nothing yet: the first request does.
    pub(crate) const fn new() -> Self {
        Self {
            netlink: Netlink::new(Protocol::Generic(uapi::FAMILY)),
        }
    }

    /// The version of the kernel's IPVS and the size of its connection table.
    pub(crate) async fn info(&mut self) -> Result<IpvsInfo, KernelError> {
        self.get(codec::get_info(), codec::info)
            .await
            .map_err(|cause| KernelError::new("ask for the version of IPVS", cause))
    }

    /// Whether this host is the sync backup of another director: then, with
    /// `net.ipv4.vs.backup_only`, IPVS lets all packets pass
    /// (`sysctl_backup_only` in `net/netfilter/ipvs/ip_vs_core.c`).
    pub(crate) async fn is_sync_backup(&mut self) -> Result<bool, KernelError> {
        let daemons = self.sync_daemons().await?;
        Ok(daemons.iter().any(|one| one.state == SyncState::Backup))
    }

    /// Whether a synchronization daemon runs here, in either state.
    pub(crate) async fn runs_sync_daemon(&mut self) -> Result<bool, KernelError> {
        Ok(!self.sync_daemons().await?.is_empty())
    }

    async fn sync_daemons(&mut self) -> Result<BTreeSet<SyncDaemon>, KernelError> {
        let daemons = self.dump(codec::get_daemons(), |part| {
            codec::sync_daemon(part).map(|daemon| Some((daemon, ())))
        });
        daemons
            .await
            .map(|daemons| daemons.into_keys().collect())
            .map_err(|cause| KernelError::new("list the synchronization daemons", cause))
    }

    async fn get<V>(
        &mut self,
        message: Result<codec::Message, BuilderError>,
        decode: impl Fn(&[u8]) -> Result<V, DecodeError>,
    ) -> Result<V, Cause> {
        let answer = match request(message) {
            Ok(request) => self.netlink.get(request).await,
            Err(failure) => Err(failure),
        };
        let answer = answer.map_err(|failure| failure.cause(read_refusal))?;
        Ok(decode(answer.as_ref())?)
    }

    async fn dump<K: Ord, V>(
        &mut self,
        message: Result<codec::Message, BuilderError>,
        decode: impl Fn(&[u8]) -> Result<Option<(K, V)>, DecodeError>,
    ) -> Result<BTreeMap<K, V>, Cause> {
        let parts = match request(message) {
            Ok(request) => self.netlink.dump(request).await,
            Err(failure) => Err(failure),
        };
        // The kernel resumes a dump by counting, so that a concurrent write can
        // repeat an item: the map keeps one.
        parts
            .map_err(|failure| failure.cause(read_refusal))?
            .iter()
            .filter_map(|part| decode(part.as_ref()).transpose())
            .map(|decoded| decoded.map_err(Cause::from))
            .collect()
    }
}

impl Ipvs for KernelIpvs {
    /// Services of protocols other than TCP, UDP and SCTP are left out.
    async fn services(&mut self) -> Result<BTreeMap<ServiceKey, ObservedService>, KernelError> {
        self.dump(codec::get_services(), codec::service)
            .await
            .map_err(|cause| KernelError::new("list the virtual services", cause))
    }

    async fn find(
        &mut self,
        services: &[ServiceKey],
    ) -> Result<BTreeMap<ServiceKey, ObservedService>, KernelError> {
        let requests = services.iter().map(|key| request(codec::get_service(key)));
        let answers = self.netlink.get_all(requests).await;
        let mut found = BTreeMap::new();
        for (key, answer) in services.iter().zip(answers) {
            let part = match answer {
                Ok(part) => codec::service(part.as_ref()).map_err(Cause::from),
                Err(Failure::Errno(ESRCH)) => continue,
                Err(failure) => Err(failure.cause(read_refusal)),
            };
            let part = part.map_err(|cause| KernelError::new(format!("look for {key}"), cause))?;
            found.extend(part);
        }
        Ok(found)
    }

    async fn destinations(
        &mut self,
        service: &ServiceKey,
    ) -> Result<BTreeMap<RealServerKey, ObservedDestination>, KernelError> {
        let family = service.family();
        self.dump(codec::get_destinations(service), |part| {
            codec::destination(part, family).map(Some)
        })
        .await
        .map_err(|cause| KernelError::new(format!("list the real servers of {service}"), cause))
    }

    async fn timeouts(&mut self) -> Result<BTreeMap<Timeout, u32>, KernelError> {
        self.get(codec::get_timeouts(), codec::timeouts)
            .await
            .map_err(|cause| KernelError::new("read the time-outs", cause))
    }

    async fn status(&mut self) -> Result<TableStatus, KernelError> {
        Ok(TableStatus {
            statistics: totals::read()?,
            sync_daemons: self.sync_daemons().await?,
        })
    }

    async fn write(&mut self, steps: &[Step]) -> Vec<Result<(), KernelError>> {
        let requests = steps.iter().map(|step| match codec::write(step) {
            Some(message) => request(message),
            None => Err(Failure::Other(Cause::not_of_table())),
        });
        let results = self.netlink.write_all(requests).await;
        results
            .into_iter()
            .zip(steps)
            .map(|(result, step)| {
                result.map_err(|failure| {
                    let cause = failure.cause(|number| write_refusal(step, number));
                    KernelError::new(step.operation(), cause)
                })
            })
            .collect()
    }
}

fn request(
    message: Result<codec::Message, BuilderError>,
) -> Result<Request<codec::Message>, Failure> {
    match message {
        Ok(body) => Ok(Request {
            message_type: MessageType::Family,
            flags: NlmF::empty(),
            body,
        }),
        Err(error) => Err(Failure::Other(Cause::Unencodable(error.to_string()))),
    }
}

/// `ENOENT` for a dump means that the family has gone since it was resolved: the
/// module was removed.
const fn read_refusal(number: i32) -> Cause {
    match number {
        ENOENT => Cause::NoIpvs,
        _ => Cause::Errno(number),
    }
}

/// What `ip_vs_genl_set_cmd` and the functions that it calls in `ip_vs_ctl.c`
/// mean by an error number.
fn write_refusal(step: &Step, number: i32) -> Cause {
    match (step, number) {
        (Step::AddService { service, .. } | Step::SetService { to: service, .. }, ENOENT) => {
            no_module(service)
        }
        (
            Step::AddDestination { .. }
            | Step::SetDestination { .. }
            | Step::RemoveDestination { .. },
            ENOENT,
        )
        | (_, ESRCH) => Cause::Missing,
        (_, EEXIST) => Cause::Exists,
        (_, number) => Cause::Errno(number),
    }
}

fn no_module(service: &Service) -> Cause {
    let scheduler = service.scheduler.to_string();
    let engine = service.persistence.as_ref().and_then(|p| p.engine.clone());
    match engine {
        None => Cause::NoScheduler(scheduler),
        Some(engine) => Cause::NoSchedulerOrEngine(scheduler, engine),
    }
}

#[cfg(test)]
mod tests;
