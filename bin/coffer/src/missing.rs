//! Flags that docker has and coffer does not: each is an error that says why, never ignored.

use crate::failure::Failure;

/// A flag of docker's that we lack.
#[derive(Debug)]
pub(crate) struct Missing {
    verbs: &'static [&'static str],
    flags: &'static [&'static str],
    why: &'static str,
    help: &'static str,
}

const RUN: &[&str] = &["run", "create"];
const LATER: &str = "it is not built yet";

/// Source: `docker run --help` and its neighbours, docker 28.
const TABLE: &[Missing] = &[
    Missing {
        verbs: RUN,
        flags: &["-p", "--publish", "-P", "--publish-all", "--expose"],
        why: "ports cannot be published yet: a container's network is `none` or `host`",
        help: "share the host's network: --network host",
    },
    Missing {
        verbs: RUN,
        flags: &["--device-cgroup-rule", "--gpus"],
        why: "devices are given one by one",
        help: "--device PATH",
    },
    Missing {
        verbs: RUN,
        flags: &["--uts"],
        why: "a container's host name is always its own",
        help: "leave the flag out",
    },
    Missing {
        verbs: RUN,
        flags: &["--link", "--ip", "--ip6", "--mac-address", "--network-alias", "--link-local-ip"],
        why: "a container's network is `none` or `host` so far",
        help: "",
    },
    Missing {
        verbs: RUN,
        flags: &["--kernel-memory", "--memory-swappiness"],
        why: "memory has one limit",
        help: "--memory SIZE",
    },
    Missing {
        verbs: RUN,
        flags: &["--cpu-period", "--cpu-quota", "--cpu-rt-period", "--cpu-rt-runtime"],
        why: "CPU time has one limit",
        help: "--cpus NUMBER",
    },
    Missing {
        verbs: RUN,
        flags: &["--log-driver", "--log-opt"],
        why: "logs are kept as files, rotated, beside the container's state",
        help: "coffer logs CONTAINER",
    },
    Missing {
        verbs: RUN,
        flags: &["--cgroup-parent"],
        why: "each container's control group is named after it, where coffer may make one",
        help: "leave the flag out",
    },
    Missing {
        verbs: RUN,
        flags: &["--oom-kill-disable"],
        why: "a container that waits for memory for ever cannot be told from one that hangs",
        help: "be killed later than others: --oom-score-adj NUMBER",
    },
    Missing {
        verbs: RUN,
        flags: &[
            "--blkio-weight",
            "--blkio-weight-device",
            "--device-read-bps",
            "--device-read-iops",
            "--device-write-bps",
            "--device-write-iops",
        ],
        why: "what a container reads and writes of disks has no limit yet",
        help: "",
    },
    Missing {
        verbs: RUN,
        flags: &["--storage-opt"],
        why: "the writable layer is a folder of the data root without a quota: a container is ended before it takes the last of the disk, and may take the rest",
        help: "let it write to memory alone: --read-only --tmpfs PATH:size=SIZE",
    },
    Missing {
        verbs: RUN,
        flags: &["--annotation"],
        why: "what a container runs under reads no annotations",
        help: "attach words to it: --label NAME=VALUE",
    },
    Missing {
        verbs: RUN,
        flags: &["--isolation"],
        why: "it chooses between the ways of Windows",
        help: "leave the flag out",
    },
    Missing {
        verbs: RUN,
        flags: &["--runtime"],
        why: "coffer is the runtime",
        help: "choose the wall: --tier native",
    },
    Missing {
        verbs: RUN,
        flags: &["-a", "--attach"],
        why: "a container in the foreground has all its streams passed on",
        help: "run in the background: -d",
    },
    Missing {
        verbs: RUN,
        flags: &["--volumes-from", "--volume-driver"],
        why: "volumes are folders of the data root or of the host, and each is named",
        help: "-v NAME:/PATH, or -v DIR:/PATH",
    },
    Missing {
        verbs: RUN,
        flags: &[
            "--health-cmd",
            "--health-interval",
            "--health-retries",
            "--health-timeout",
            "--health-start-period",
            "--health-start-interval",
        ],
        why: "there is no daemon that could ask after a container's health",
        help: "",
    },
    Missing {
        verbs: &["system", "version"],
        flags: &["-f", "--format"],
        why: "there is little to choose from",
        help: "take it as JSON: --json",
    },
    Missing {
        verbs: &["ps"],
        flags: &["-s", "--size"],
        why: "coffer does not count what a container has written",
        help: "",
    },
    Missing {
        verbs: &["inspect"],
        flags: &["-s", "--size"],
        why: "coffer does not count what a container has written",
        help: "",
    },
    Missing {
        verbs: &["logs"],
        flags: &["--details"],
        why: "lines of a log have nothing beside them but their time",
        help: "--timestamps",
    },
    Missing {
        verbs: &["top"],
        flags: &["-o", "-e", "-f", "-A", "-a", "-x", "-u"],
        why: "docker hands them to the host's ps; coffer reads /proc itself",
        help: "coffer top --json CONTAINER",
    },
    Missing {
        verbs: &["pull", "push"],
        flags: &["-a", "--all-tags"],
        why: LATER,
        help: "name the tags one by one",
    },
    Missing {
        verbs: &["images"],
        flags: &["-a", "--all"],
        why: "all images are listed: there are no hidden ones",
        help: "leave the flag out",
    },
    Missing {
        verbs: &["pull", "push", "run", "create"],
        flags: &["--disable-content-trust"],
        why: "docker's content trust (Notary v1) is not what coffer verifies",
        help: "leave the flag out",
    },
    Missing {
        verbs: &["exec"],
        flags: &["--privileged"],
        why: "a command that enters a container stays behind the container's own fence",
        help: "",
    },
    Missing {
        verbs: RUN,
        flags: &["--cpu-count", "--cpu-percent", "--io-maxbandwidth", "--io-maxiops"],
        why: "it is for containers of Windows",
        help: "limit the processors: --cpus NUMBER",
    },
    Missing {
        verbs: RUN,
        flags: &["--use-api-socket"],
        why: "there is no daemon with a socket",
        help: "leave the flag out",
    },
    Missing {
        verbs: &["start"],
        flags: &["--checkpoint", "--checkpoint-dir"],
        why: "of coffer's own containers there are no checkpoints yet",
        help: "of bundles: coffer-oci checkpoint, coffer-oci restore",
    },
    Missing {
        verbs: &["images"],
        flags: &["--tree"],
        why: "an image has a line for each of its names",
        help: "coffer images --digests",
    },
    Missing {
        verbs: &["rmi"],
        flags: &["--no-prune"],
        why: "images have no parents without a name",
        help: "leave the flag out",
    },
    Missing {
        verbs: &["rmi"],
        flags: &["--platform"],
        why: "an image goes with all of its platforms",
        help: "leave the flag out",
    },
    Missing {
        verbs: &["load"],
        flags: &["--platform"],
        why: "all that the file holds is loaded",
        help: "run one of them: coffer run --platform PLATFORM docker-archive:FILE",
    },
    Missing {
        verbs: &["rm"],
        flags: &["-l", "--link"],
        why: "containers are not linked",
        help: "",
    },
];

/// Whether docker's `verb` takes `flag` and ours does not.
pub(crate) fn find(verb: &str, flag: &str) -> Option<&'static Missing> {
    TABLE.iter().find(|entry| entry.verbs.contains(&verb) && entry.flags.contains(&flag))
}

impl Missing {
    /// The error for it.
    pub(crate) fn failure(&self, verb: &str, flag: &str) -> Failure {
        let failure = Failure::new(format!("`coffer {verb}` does not have docker's {flag}"))
            .because(self.why);
        if self.help.is_empty() { failure } else { failure.help(self.help) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_flag_is_refused_twice() {
        let mut seen = std::collections::HashSet::new();
        for entry in TABLE {
            for verb in entry.verbs {
                for flag in entry.flags {
                    assert!(seen.insert((verb, flag)), "{verb} {flag}");
                }
            }
        }
    }

    #[test]
    fn ports_name_the_hosts_network() {
        let text = find("run", "-p").unwrap().failure("run", "-p").render();
        assert!(text.starts_with("error: `coffer run` does not have docker's -p\n"), "{text}");
        assert!(text.ends_with("help: share the host's network: --network host\n"), "{text}");
    }
}
