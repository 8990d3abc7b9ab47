//! Addresses and kernel parameters beside the embedded table.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use crate::kernel::{AddressList, Cause, KernelError};
use crate::model::{LocalAddress, SysctlKey};
use crate::plan::Step;
use crate::runtime::shared::Shared;

/// The value of a parameter that nobody has set: the kernel's own for most of
/// those that a director sets.
const UNSET: &str = "0";

/// Addresses on interfaces, all of which exist.
#[derive(Debug, Default)]
pub(crate) struct MemoryAddresses {
    held: BTreeSet<LocalAddress>,
}

impl MemoryAddresses {
    pub(in crate::kernel) fn list(&self, interface: &str) -> AddressList {
        let held = self.held.iter().filter(|held| held.interface == interface);
        held.map(|held| ((held.address, held.prefix_length()), None))
            .collect()
    }

    pub(in crate::kernel) fn local(&self) -> BTreeSet<IpAddr> {
        self.held.iter().map(|held| held.address).collect()
    }

    pub(in crate::kernel) fn add(&mut self, address: &LocalAddress) -> Result<(), KernelError> {
        if self.held.insert(address.clone()) {
            return Ok(());
        }
        let operation = Step::AddAddress(address.clone()).operation();
        Err(KernelError::new(operation, Cause::Exists))
    }

    pub(in crate::kernel) fn remove(&mut self, address: &LocalAddress) -> Result<(), KernelError> {
        if self.held.remove(address) {
            return Ok(());
        }
        let operation = Step::RemoveAddress(address.clone()).operation();
        Err(KernelError::new(operation, Cause::Missing))
    }
}

/// Kernel parameters, all of which exist. A clone has the same ones.
#[derive(Debug, Clone, Default)]
pub(in crate::kernel) struct MemorySysctls(Arc<Shared<BTreeMap<SysctlKey, String>>>);

impl MemorySysctls {
    pub(in crate::kernel) fn read(&self, key: &SysctlKey) -> String {
        let values = self.0.lock();
        values.get(key).map_or(UNSET, String::as_str).to_owned()
    }

    pub(in crate::kernel) fn write(&self, key: &SysctlKey, value: String) {
        self.0.lock().insert(key.clone(), value);
    }
}
