//! What is known of an image: where its content comes from, and the fence that a container of it
//! has without a flag.

use coffer_confine::Confinement;
use coffer_confine::confinement::{Control, Gap, Host};
use coffer_confine::ids::{ContainerGid, ContainerUid, HostGid, HostUid, IdMap, Supply};
use coffer_confine::posture::{Posture, Words};
use coffer_confine::user::Identity;
use coffer_oci::Digest;
use coffer_runtime::cgroup::Manager;
use coffer_runtime::container::usual_limits;
use coffer_runtime::disk::Reserve;
use coffer_runtime::label;
use coffer_runtime::plan::Authority;
use coffer_runtime::spec::{self, Joined, Request};
use coffer_runtime::state::ContainerId;
use serde_json::{Map, json};

use super::Subject;
use crate::failure::Failure;
use crate::limits;

/// What nobody looks at yet.
const NOT_CHECKED: [&str; 2] = ["who made the image", "known vulnerabilities"];

/// The range that stands for that of any container in a fence that nobody has.
const RANGE: (u32, u32) = (0x7000_0000, 65_536);

/// An image by its name and digest; the host keeps `reserve` of the disk that its containers write to.
pub(super) fn subject(name: &str, digest: &Digest, reserve: &Reserve) -> Result<Subject, Failure> {
    let (request, root) = (Request::default(), rustix::process::geteuid().is_root());
    let ids = match root {
        true => IdMap::contiguous(RANGE.0, RANGE.1),
        false => IdMap::single(
            HostUid::new(rustix::process::geteuid().as_raw()),
            HostGid::new(rustix::process::getegid().as_raw()),
        ),
    };
    let identity = Identity {
        uid: ContainerUid::ROOT,
        gid: ContainerGid::ROOT,
        groups: Vec::new(),
        added: Vec::new(),
        home: "/".to_owned(),
    };
    let authority = if root { Authority::Root } else { Authority::User };
    let labels =
        label::usual(authority).map_err(coffer_runtime::container::ContainerError::from)?;
    let wishes =
        spec::wishes(&request, identity, Some(ids), Vec::new(), labels, &Joined::default());
    let confinement = Confinement::new(wishes, &Host::read())?;
    let content = "every byte was hashed when it came in";
    let control = |control, value: String| Control { control, value, set_by: String::new() };
    let mut controls =
        vec![control("digest", digest.to_string()), control("content", content.to_owned())];
    let explanation = confinement.explain();
    // Ids and user are those of nobody.
    let fence = explanation.controls.into_iter().filter(|c| !matches!(c.control, "user" | "ids"));
    if root {
        let (value, by) = Supply::of_host()?.words();
        controls.push(Control { control: "ids", value, set_by: by.to_owned() });
    }
    controls.extend(fence);
    let unchecked =
        |what: &&str| Gap { what: format!("not checked: {what}"), from: None, stronger: None };
    let gaps = NOT_CHECKED.iter().map(unchecked).chain(explanation.gaps);
    let usual = usual_limits();
    let place = Manager::discover()?.plan(&ContainerId::random()?, &usual)?;
    controls.extend(limits::controls(&usual, &place));
    controls.push(limits::disk(reserve, None));
    let gaps = gaps.chain(limits::gaps(&usual, &place)).collect();
    Ok(Subject {
        headline: format!("{name}  {digest}  an image; what `coffer run` gives it without a flag"),
        facts: Map::from_iter([
            ("image".to_owned(), json!(name)),
            ("digest".to_owned(), json!(digest)),
            ("content".to_owned(), json!(content)),
            ("not_checked".to_owned(), json!(NOT_CHECKED)),
        ]),
        controls,
        gaps,
        posture: Posture::of(&confinement, Vec::new(), limits::limited(&usual, &place)),
        words: Words::Coffer,
    })
}
