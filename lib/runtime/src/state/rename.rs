//! Another name for a container.
//!
//! A name is a link in the index, and it stands in the record too: two steps, between which
//! anybody may be killed. So the record says first which other link may point at the container
//! ([`Record::also`]); whoever renames or removes it next takes that link away.

use super::{Containers, Locked, Name, Record, StateError};

impl Containers {
    /// Calls the container whose lock is held `name` from now on.
    ///
    /// # Errors
    /// [`StateError::SameName`], [`StateError::NameTaken`], and what the file system says: the
    /// container has its old name then.
    pub fn rename(
        &self,
        locked: &Locked,
        mut record: Record,
        name: Name,
    ) -> Result<(), StateError> {
        if record.name == name {
            return Err(StateError::SameName { name });
        }
        self.forget_other_name(locked, &mut record)?;
        record.also = Some(name.clone());
        locked.save(&record)?;
        let linked = self.link(locked.id(), &name);
        if let Err(error) = linked.and_then(|holder| match holder {
            Some(holder) => Err(StateError::NameTaken { name: name.clone(), holder }),
            None => Ok(()),
        }) {
            self.forget_other_name(locked, &mut record)?;
            return Err(error);
        }
        // The disk has the link before it has a record that counts on it.
        self.sync()?;
        record.also = Some(std::mem::replace(&mut record.name, name));
        locked.save(&record)?;
        self.forget_other_name(locked, &mut record)
    }

    /// Takes away the name that a rename left, where somebody was killed in the middle of it.
    fn forget_other_name(&self, locked: &Locked, record: &mut Record) -> Result<(), StateError> {
        let Some(other) = record.also.take() else { return Ok(()) };
        self.unlink(&other, locked.id())?;
        locked.save(record)
    }
}
