#!/bin/bash
# Runs files of runc's suite in namespaces and control groups of their own, so that the host's
# mounts, groups, interfaces and /etc stay as they are.
# room.sh SUITE RUNTIME RESULTS FILTER FILE…, with $COFFER_SUITE_BIN in front of the path.
set -u
suite=$1 runc=$2 results=$3 filter=$4
shift 4
top=/sys/fs/cgroup
name=coffer-suite-$$

# The hierarchies of version 1, by the names of their mounts, and the unified one beside them.
hierarchies() {
	findmnt --noheadings --raw --output TARGET --types cgroup,cgroup2 | sed -n "s,^$top/,,p"
}

if [ -z "${COFFER_SUITE_INSIDE:-}" ]; then
	legacy=$(hierarchies)
	for h in $legacy; do
		mkdir "$top/$h/$name" || exit 1
		if [ -e "$top/$h/cpuset.cpus" ]; then
			cat "$top/$h/cpuset.cpus" >"$top/$h/$name/cpuset.cpus"
			cat "$top/$h/cpuset.mems" >"$top/$h/$name/cpuset.mems"
			echo 1 >"$top/$h/$name/cgroup.clone_children"
		fi
	done
	(
		for h in $legacy; do echo "$BASHPID" >"$top/$h/$name/cgroup.procs"; done
		COFFER_SUITE_INSIDE=yes exec unshare --mount --propagation private --net --uts --ipc \
			--cgroup --pid --fork --kill-child --mount-proc \
			bash "$0" "$suite" "$runc" "$results" "$filter" "$@"
	)
	status=$?
	for h in $legacy; do
		# What was killed with the namespace may take a moment to leave.
		for _ in $(seq 50); do
			find "$top/$h/$name" -depth -type d -exec rmdir {} + 2>/dev/null && break
			sleep 0.1
		done
		[ ! -d "$top/$h/$name" ] || echo "left behind: $top/$h/$name" >&2
	done
	exit $status
fi

set -e
ip link set lo up
legacy=$(hierarchies)
if [ -n "$legacy" ]; then
	options=$(findmnt --noheadings --raw --output TARGET,FSTYPE,FS-OPTIONS --types cgroup,cgroup2)
	mount -t tmpfs -o mode=755 cgroup $top
	while read -r target kind flags; do
		mkdir -p "$target"
		case $kind in
		cgroup2) mount -t cgroup2 cgroup2 "$target" ;;
		*)
			flags=$(tr , '\n' <<<"$flags" | grep -v '^r[ow]$\|^xattr$\|^release_agent=\|^clone_children$' | paste -sd,)
			[[ $flags == name=* ]] && flags=none,$flags
			mount -t cgroup -o "$flags" cgroup "$target"
			;;
		esac
	done <<<"$options"
fi
work=$(mktemp -d)
mount -t tmpfs -o mode=1777 suite "$work"
mkdir "$work/upper" "$work/work" "$work/tmp"
chmod 1777 "$work/tmp"
mount -t overlay -o "lowerdir=/etc,upperdir=$work/upper,workdir=$work/work" overlay /etc
mkdir -p "$results"
export TMPDIR=$work/tmp RUNC=$runc PATH=${COFFER_SUITE_BIN:+$COFFER_SUITE_BIN:}$PATH
cd "$suite/tests/integration"
set +e
for file in "$@"; do
	# runc wants a terminal that is its caller's.
	script --quiet --command "timeout --foreground 300 bats --tap --filter '$filter' $file.bats >$results/$file.tap 2>&1 </dev/null" \
		/dev/null </dev/null >/dev/null
done
exit 0
