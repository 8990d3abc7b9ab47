//! What a file of the state directory holds, as far as the agent knows.

use super::Damage;

/// What a file holds; its damage does not exclude that a part is understood.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Content<T> {
    pub(crate) value: T,
    /// What is wrong with the file, if it is damaged.
    pub(crate) cause: Option<String>,
}

/// What was read from a file.
#[derive(Debug, Default)]
pub(crate) struct Loaded<T> {
    /// Empty where there is no file, or nothing of the file is understood.
    pub(crate) value: T,
    pub(crate) damage: Option<Damage>,
    /// The file that was set aside last, if the file is well now and nobody has
    /// removed the other: what could not be read may still be missing.
    pub(super) earlier: Option<Damage>,
}

impl<T> Loaded<T> {
    /// The damage that operators have to see: of now, else of an earlier start.
    pub(crate) fn reported(&self) -> Option<&Damage> {
        self.damage.as_ref().or(self.earlier.as_ref())
    }

    pub(crate) fn on_disk(&self) -> OnDisk<T>
    where
        T: Clone,
    {
        match &self.damage {
            None => OnDisk::Holds(self.value.clone()),
            Some(damage) if damage.is_set_aside() => OnDisk::Unknown,
            Some(_) => OnDisk::Damaged,
        }
    }
}

/// What is known of a file by those who write it.
#[derive(Debug, Clone)]
pub(crate) enum OnDisk<T> {
    /// This, unless another program has changed it.
    Holds(T),
    /// The file was damaged, and could not be set aside.
    Damaged,
    /// Nothing that matters.
    Unknown,
}

impl<T: PartialEq> OnDisk<T> {
    /// Whether the file holds this, as far as is known.
    pub(crate) fn holds(&self, value: &T) -> bool {
        matches!(self, Self::Holds(held) if held == value)
    }

    /// The same after a write that may have failed half-way.
    pub(crate) fn after_failure(&self) -> Self {
        match self {
            Self::Damaged => Self::Damaged,
            Self::Holds(..) | Self::Unknown => Self::Unknown,
        }
    }
}
