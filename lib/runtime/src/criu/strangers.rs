//! What CRIU writes down of control groups that are not the container's.
//!
//! Where a container has no group of its own in a hierarchy, CRIU takes all groups of the host there
//! for its, and makes those anew at each restore that have gone meanwhile. Such a hierarchy's root
//! has no groups below it in what is left here. Source: criu's images/cgroup.proto; Protocol
//! Buffers, "Encoding".

use std::os::fd::{AsFd, BorrowedFd};

use coffer_sys::dir::{self, Durability};
use rustix::fs::Mode;

/// The image that says it.
const IMAGE: &str = "cgroup.img";
/// No more is read of it: a host may have thousands of groups.
const LIMIT: u64 = 64 << 20;
/// Two magic numbers and the length of the one message.
const HEAD: usize = 12;

/// Field numbers: `cgroup_entry.sets` and `.controllers`, `cg_set_entry.ctls`,
/// `cg_member_entry.path`, `cg_controller_entry.dirs`, `cgroup_dir_entry.dir_name` and `.children`.
const SETS: u64 = 1;
const CONTROLLERS: u64 = 2;
const MEMBERS: u64 = 2;
const PATH: u64 = 2;
const DIRS: u64 = 2;
const NAME: u64 = 1;
const CHILDREN: u64 = 2;

/// Takes them out of the images in `folder`. What is of another form is left as it is.
///
/// # Errors
/// Where the image cannot be read or written.
pub(super) fn forget(folder: BorrowedFd<'_>) -> std::io::Result<()> {
    let Some(image) = dir::read(folder.as_fd(), IMAGE, LIMIT)? else { return Ok(()) };
    let Some(shorter) = without(&image).filter(|shorter| *shorter != image) else { return Ok(()) };
    let mode = Mode::RUSR | Mode::WUSR;
    dir::write_whole(folder, IMAGE, &shorter, mode, Durability::Process)
}

/// The image without groups below the roots of hierarchies, but for those in which a process is.
fn without(image: &[u8]) -> Option<Vec<u8>> {
    let (head, rest) = image.split_at_checked(HEAD)?;
    let size = u32::from_le_bytes(*head.last_chunk()?);
    if usize::try_from(size) != Ok(rest.len()) {
        return None;
    }
    let members = members(rest)?;
    let message = each(rest, |number, controller| match number {
        CONTROLLERS => each(controller, |number, folder| match number {
            DIRS => own(folder, &members),
            _ => Some(folder.to_vec()),
        }),
        _ => Some(controller.to_vec()),
    })?;
    let size = u32::try_from(message.len()).ok()?.to_le_bytes();
    Some([head.get(..8)?, &size, &message].concat())
}

/// The groups that processes are in, in whichever hierarchy.
fn members(message: &[u8]) -> Option<Vec<&[u8]>> {
    let mut paths = Vec::new();
    for set in values(message, SETS)? {
        for member in values(set, MEMBERS)? {
            paths.extend(values(member, PATH)?);
        }
    }
    Some(paths)
}

/// A group without the strangers below it, where it is the root of its hierarchy.
fn own(folder: &[u8], members: &[&[u8]]) -> Option<Vec<u8>> {
    let is_root = values(folder, NAME)?.iter().all(|name| matches!(*name, b"" | b"/"));
    let is_used = |child: &[u8]| {
        let names = values(child, NAME)?;
        let name = names.first()?;
        Some(members.iter().any(|path| path.split(|byte| *byte == b'/').nth(1) == Some(name)))
    };
    let mut kept = Vec::with_capacity(folder.len());
    for field in fields(folder)? {
        let stays = match field.value {
            Some(child) if is_root && field.number == CHILDREN => is_used(child)?,
            _ => true,
        };
        if stays {
            kept.extend_from_slice(field.whole);
        }
    }
    Some(kept)
}

/// What the field of this number holds, each time that it is there.
fn values(message: &[u8], number: u64) -> Option<Vec<&[u8]>> {
    let fields = fields(message)?.into_iter().filter(|field| field.number == number);
    Some(fields.filter_map(|field| field.value).collect())
}

/// The message with each text or message in it as `change` makes it.
fn each(message: &[u8], mut change: impl FnMut(u64, &[u8]) -> Option<Vec<u8>>) -> Option<Vec<u8>> {
    let mut made = Vec::with_capacity(message.len());
    for field in fields(message)? {
        match field.value {
            Some(value) => {
                let value = change(field.number, value)?;
                put(&mut made, field.number << 3 | LENGTH);
                put(&mut made, value.len() as u64);
                made.extend(value);
            }
            None => made.extend_from_slice(field.whole),
        }
    }
    Some(made)
}

/// The wire type of what has a length.
const LENGTH: u64 = 2;

/// A field, with its content where that has a length.
struct Field<'a> {
    number: u64,
    whole: &'a [u8],
    value: Option<&'a [u8]>,
}

fn fields(mut rest: &[u8]) -> Option<Vec<Field<'_>>> {
    let mut found = Vec::new();
    while !rest.is_empty() {
        let start = rest;
        let key = varint(&mut rest)?;
        let value = match key & 7 {
            0 => varint(&mut rest).map(|_| None)?,
            1 => take(&mut rest, 8).map(|_| None)?,
            LENGTH => {
                let length = varint(&mut rest)?;
                Some(take(&mut rest, length)?)
            }
            5 => take(&mut rest, 4).map(|_| None)?,
            _ => return None,
        };
        let whole = start.get(..start.len() - rest.len())?;
        found.push(Field { number: key >> 3, whole, value });
    }
    Some(found)
}

fn take<'a>(rest: &mut &'a [u8], count: u64) -> Option<&'a [u8]> {
    let (taken, left) = rest.split_at_checked(usize::try_from(count).ok()?)?;
    *rest = left;
    Some(taken)
}

fn varint(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, left) = rest.split_first()?;
        *rest = left;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

fn put(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(u8::try_from(value & 0x7f).unwrap_or(0) | 0x80);
        value >>= 7;
    }
    bytes.push(u8::try_from(value).unwrap_or(0));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(number: u64, value: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        put(&mut bytes, number << 3 | LENGTH);
        put(&mut bytes, value.len() as u64);
        [bytes, value.to_vec()].concat()
    }

    fn image(roots: &[(&str, &[&str])]) -> Vec<u8> {
        let folder = |name: &str, below: &[&str]| {
            let children =
                below.iter().flat_map(|name| field(CHILDREN, &field(NAME, name.as_bytes())));
            let property = field(3, b"kept");
            [field(NAME, name.as_bytes()), children.collect(), property].concat()
        };
        let member =
            |path: &str| field(MEMBERS, &[field(1, b"x"), field(PATH, path.as_bytes())].concat());
        let set = [vec![0x08, 0x80, 0x01], member("/"), member("/used/below")].concat();
        let mut message = field(SETS, &set);
        for (name, below) in roots {
            let controller = [field(1, b"pids"), field(DIRS, &folder(name, below))].concat();
            message.extend(field(CONTROLLERS, &controller));
        }
        let size = u32::try_from(message.len()).unwrap().to_le_bytes();
        [&[1, 2, 3, 4, 5, 6, 7, 8][..], &size, &message].concat()
    }

    #[test]
    fn groups_below_a_hierarchys_root_are_forgotten_unless_somebody_is_there() {
        let box_of: (&str, &[&str]) = ("coffer/box", &["own"]);
        let written = image(&[("", &["stranger", "used", "another"]), box_of]);
        assert_eq!(without(&written).unwrap(), image(&[("", &["used"]), box_of]));
        assert_eq!(without(&image(&[box_of])).unwrap(), image(&[box_of]));
        assert_eq!(without(&written[..20]), None);
        assert_eq!(without(b""), None);
    }

    proptest::proptest! {
        #[test]
        fn any_image_is_read_or_left(bytes: Vec<u8>) {
            let size = u32::try_from(bytes.len()).unwrap_or(0).to_le_bytes();
            drop(without(&[&[0; 8][..], &size, &bytes].concat()));
            drop(without(&bytes));
        }
    }
}
