//! Making a detached mount look as its plan says. Both the parent and the child do it.

use std::os::fd::{BorrowedFd, OwnedFd};

use coffer_sys::mount::{Change, Reach, Travel, set_attributes};

use crate::plan::Look;

/// Changes the copy `mount` of what is on the host. `userns` maps the owners, where the plan wants
/// them mapped.
pub(super) fn apply(
    mount: &OwnedFd,
    look: &Look,
    userns: Option<BorrowedFd<'_>>,
) -> std::io::Result<()> {
    let (travel, with) = look.travel;
    let mapped = |reach| userns.filter(|_| look.idmap == Some(reach));
    let tree = Change {
        set: look.tree_set,
        clear: look.tree_clear,
        travel: match (travel, with) {
            // Those below stay as they are on the host, or are cut off.
            (Travel::Shared, Reach::One) => Travel::Unchanged,
            (Travel::Unbindable, Reach::One) => Travel::Private,
            (travel, _) => travel,
        },
        idmap: mapped(look.reach),
        reach: look.reach,
    };
    set_attributes(mount, tree)?;
    let alone = Change {
        set: look.alone,
        clear: look.alone_clear,
        travel: if with == Reach::One { travel } else { Travel::Unchanged },
        idmap: if look.reach == Reach::One { None } else { mapped(Reach::One) },
        reach: Reach::One,
    };
    let changed = !(look.alone.is_empty() && look.alone_clear.is_empty());
    let more = changed || alone.idmap.is_some() || alone.travel != Travel::Unchanged;
    if more { set_attributes(mount, alone) } else { Ok(()) }
}
